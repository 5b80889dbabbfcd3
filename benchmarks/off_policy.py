"""What other policies would bring, estimated from logs of one policy, beside what they bring in the simulated world.

    python -m benchmarks.off_policy

A policy draws an item from the softmax of `near * nearness + long * log(minutes)`; nearness is that of the item's
content to the listener's vector. The logging policy is `near 1`; those that are asked about lie ever further from it,
towards longer items or towards the nearest alone. Logs of listeners drawn anew, with replacement, are written in
several worlds. Three questions are put to each: the mean reward of an item, in the situations that the logging policy
came to in its first items; the mean sum of the rewards of a listener's first session; and that of the first items,
across sessions.

The reward is the world's, which in these worlds follows from the log's columns: minutes heard, thumbs and returns.
Truths come from many more listeners: of the next item by offering, beside what was logged, what the policy would have;
of the sums by letting the policy loose from the same beginnings.
"""

import argparse
import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.machine import describe
from urep_jax.evaluation.off_policy import (
    Estimate,
    by_model,
    dr,
    event_weights,
    ips,
    path_weights,
    per_decision,
    sequential_dr,
    snips,
    weighted_per_decision,
    weighted_sequential_dr,
)
from urep_jax.evaluation.off_policy_choices import Choices, Logits, choices
from urep_jax.evaluation.off_policy_models import expected_rewards, expected_sums
from urep_jax.simulation.satisfaction import Observation, SatisfactionParams, State, World, make_world, step
from urep_jax.simulation.satisfaction.candidates import anything
from urep_jax.simulation.satisfaction.logs import CHUNK, drawn, write_log
from urep_jax.simulation.satisfaction.rollout import go_on, start
from urep_jax.simulation.streaming import StreamingParams

STREAMING = StreamingParams(num_users=400, num_tracks=300, num_artists=100, num_shows=20, num_genres=8, num_topics=4)
CANDIDATES = 20


class Liking(NamedTuple):
    """What a policy likes.

    Attributes:
        near: weight of nearness.
        long: weight of the log of minutes.
    """

    near: Any
    long: Any = 0.0

    def __str__(self) -> str:
        near = "the nearest" if self.near == NEAREST else f"near {self.near:g}"
        return f"{near}, long {self.long:g}" if self.long else near


NEAREST = 1e6
"""Weight with which no other item has a chance."""

LOGGING = Liking(1.0)
TARGETS = (
    *(Liking(1.0, long) for long in (0.0, 0.1, 0.25, 0.5, 1.0)),
    *(Liking(near) for near in (1.25, 1.5, 2.0, 4.0, NEAREST)),
)

CUT = 10.0
"""The largest weight of the estimator that cuts weights."""

QUESTIONS = ("the next item", "the first session", "the first items")
_OF_SUMS = ("per decision", "weighted", "sequential dr", f"dr, cut at {CUT:.0f}", "weighted dr", "by model")
ESTIMATORS = (("ips", "snips", "dr", "by model"), _OF_SUMS, _OF_SUMS)


class Found(NamedTuple):
    """What was found of one question.

    Attributes:
        truth: of each target.
        estimates: of each repetition, target and estimator: value, half of the 95 % interval, and effective sample.
    """

    truth: np.ndarray
    estimates: np.ndarray


def policy(world: World, liking: Liking) -> Logits:
    """Logits of a policy."""

    def logits(seen: Observation) -> jax.Array:
        return liking.near * _near(world, seen) + liking.long * jnp.log(world.items.minutes[seen.candidates])

    return logits


def numbers(world: World) -> Callable[[Observation], jax.Array]:
    """What a model of rewards reads of each candidate: the item, the moment, and how the two stand to each other."""

    def of(seen: Observation) -> jax.Array:
        at_N, recent, items = seen.candidates, seen.recent, world.items
        near_N = _near(world, seen)
        heard_R = recent.ratio * (recent.item >= 0) * 0.85 ** jnp.arange(recent.item.shape[0] - 1, -1, -1)
        tired_N = (items.style[at_N][:, None] == items.style[recent.item]) @ heard_R
        moment = jnp.stack(
            [heard_R.sum(), jnp.log1p(seen.place), seen.place / 10, jnp.log1p(seen.hours), jnp.log1p(seen.days_since)]
        )
        of_item = (items.log_popularity[at_N], jnp.log(items.minutes[at_N]), items.is_show[at_N].astype(jnp.float32))
        both = (near_N, near_N**2, tired_N, near_N * tired_N, seen.heard, seen.heard**2)
        return jnp.column_stack([*of_item, *both, jnp.broadcast_to(moment, (at_N.shape[0], moment.shape[0]))])

    return of


def study(
    world: World,
    params: SatisfactionParams,
    seed: int,
    *,
    targets: tuple[Liking, ...] = TARGETS,
    listeners: int = 500,
    items: int = 20,
    repetitions: int = 20,
    truth_listeners: int = 20_000,
) -> list[Found]:
    """The three questions, in one world."""
    policies = [policy(world, liking) for liking in targets]
    logging, read = policy(world, LOGGING), numbers(world)
    choose, count = drawn(logging), world.listeners.hour.shape[0]
    next_key, sums_key, logs_key = jax.random.split(jax.random.key(seed), 3)
    everybody, likings = jnp.arange(truth_listeners, dtype=jnp.int32) % count, [jnp.array(one) for one in targets]
    next_K = _next_item(next_key, world, params, everybody, jnp.stack(likings), items)
    sums_Kx2 = np.array([_sums(sums_key, world, params, everybody, liking, items) for liking in likings])
    truths = (np.asarray(next_K), *sums_Kx2.T)
    rng = np.random.default_rng(seed)
    estimates: list[list[Any]] = [[] for _ in QUESTIONS]
    for repetition in range(repetitions):
        who_U = rng.integers(0, count, listeners)
        log, unseen = write_log(jax.random.fold_in(logs_key, repetition), world, params, choose, who_U, CHUNK)
        asked = [choices(log, world, params, one, logging, read) for one in policies]
        first_UxT, session_UxT = parts(log.is_there, log.session_over, items)
        for question, is_there_UxT in enumerate((first_UxT, session_UxT, first_UxT)):
            of = slice(int(is_there_UxT.sum(1).max()))
            estimate = of_next_item if question == 0 else of_sums
            rest = (np.asarray(log.probability)[:, of], is_there_UxT[:, of], np.asarray(unseen.reward)[:, of])
            estimates[question].append([estimate(Choices(*(x[:, of] for x in one)), *rest) for one in asked])
    return [Found(truth, np.asarray(found)) for truth, found in zip(truths, estimates, strict=True)]


def parts(is_there: Any, session_over: Any, items: int) -> tuple[Any, Any]:
    """Which events are among the first so many of a listener, and which are of the first session; steps come last."""
    is_first = is_there & (np.arange(is_there.shape[-1]) < items)
    return is_first, is_there & (session_over.cumsum(-1) - session_over == 0)


def of_next_item(of: Choices, logged: np.ndarray, there: np.ndarray, rewards: np.ndarray) -> list[tuple[float, ...]]:
    """All estimates of an item's reward."""
    weights = event_weights(of.target, logged, there)
    q, v = expected_rewards(rewards, of, there)
    plain, normalised = ips(rewards, weights, there), snips(rewards, weights, there)
    return _told(plain, normalised, dr(rewards, weights, q, v, there), by_model(v, there))


def of_sums(of: Choices, logged: np.ndarray, there: np.ndarray, rewards: np.ndarray) -> list[tuple[float, ...]]:
    """All estimates of the sum of a listener's rewards."""
    weights, cut = (path_weights(of.target, logged, there, most) for most in (math.inf, CUT))
    q, v = expected_sums(rewards, of, there)
    return _told(
        per_decision(rewards, weights, there),
        weighted_per_decision(rewards, weights, there),
        sequential_dr(rewards, weights, q, v, there),
        sequential_dr(rewards, cut, q, v, there),
        weighted_sequential_dr(rewards, weights, q, v, there),
        by_model(v[:, :1], there[:, :1]),
    )


def tables(found: list[Found], question: int, targets: tuple[Liking, ...]) -> str:
    """What was found of a question over worlds: what is estimated, and how far off that is."""
    value, half, effective = np.moveaxis(np.stack([world.estimates for world in found]), -1, 0)
    truth_WxK = np.stack([world.truth for world in found])
    off = value - truth_WxK[:, None, :, None]
    # An interval that isn't given doesn't hold the truth.
    holds = np.abs(off) < np.nan_to_num(half)
    # All events, or listeners, are those that the model is asked about.
    sample_K = (effective[..., 0] / effective[..., -1]).mean((0, 1))

    def estimate(k: int, e: int) -> str:
        return f"{_mean(value[:, :, k, e]):.{places}f} ±{_mean(half[:, :, k, e]):.{places}f}"

    def error(k: int, e: int) -> str:
        return f"{math.sqrt(_mean(off[:, :, k, e] ** 2)):.{places}f}, {holds[:, :, k, e].mean():.0%}"

    # Items are worth less than sums.
    places = 3 if question == 0 else 2
    names, lines = ESTIMATORS[question], []
    for title, cell in (("estimates", estimate), ("errors, and intervals that hold the truth", error)):
        lines += [f"{QUESTIONS[question]}: {title}\n", f"| policy | truth | sample | {' | '.join(names)} |"]
        lines.append(f"| --- |{' ---: |' * (len(names) + 2)}")
        for k, liking in enumerate(targets):
            cells = " | ".join(cell(k, e) for e in range(len(names)))
            lines.append(f"| {liking} | {truth_WxK[:, k].mean():.{places}f} | {sample_K[k]:.1%} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, nargs="+", default=[100, 101, 102, 103], help="seeds")
    parser.add_argument("--listeners", type=int, default=500, help="of a log")
    parser.add_argument("--items", type=int, default=20, help="of the first items")
    parser.add_argument("--repetitions", type=int, default=20, help="logs of each world")
    arguments = parser.parse_args()
    machine, begun, found = describe(), time.perf_counter(), []
    print(f"{machine['cpu']}, {machine['cores']} cores, jax {jax.__version__}, NumPy {np.__version__}\n")
    for seed in arguments.worlds:
        world = make_world(STREAMING, seed, offer=anything(CANDIDATES))
        sizes = {name: getattr(arguments, name) for name in ("listeners", "items", "repetitions")}
        found.append(study(world, SatisfactionParams(), seed, **sizes))
    for question in range(len(QUESTIONS)):
        print(tables([of[question] for of in found], question, TARGETS))
    print(f"{time.perf_counter() - begun:.0f} s, compiling among them")


def _near(world: World, seen: Observation) -> jax.Array:
    """How near each candidate's content is to the listener's vector, as a product of the size of a few."""
    return world.items.content[seen.candidates] @ seen.vector / seen.vector.shape[0] ** 0.5


def _told(*estimates: Estimate) -> list[tuple[float, ...]]:
    return [(one.value, one.ci95(), one.effective) for one in estimates]


def _mean(x: np.ndarray) -> float:
    """Of what there is."""
    return float(x[~np.isnan(x)].mean()) if not np.isnan(x).all() else math.nan


@functools.partial(jax.jit, static_argnames="items")
def _next_item(
    key: jax.Array, world: World, params: SatisfactionParams, listeners: jax.Array, likings: jax.Array, items: int
) -> jax.Array:
    """What each policy brings in the mean where the logging policy came to."""

    def choose(key: jax.Array, state: State, seen: Observation) -> tuple[jax.Array, jax.Array]:
        own, drawing, stepping = jax.random.split(key, 3)

        def bring(liking: jax.Array) -> jax.Array:
            action, _ = drawn(policy(world, Liking(*liking)))(drawing, state, seen)
            return step(stepping, state, action, world, params)[2]

        return drawn(policy(world, LOGGING))(own, state, seen)[0], jax.vmap(bring)(likings)

    starting, going = jax.random.split(key)
    _, taken = go_on(going, start(starting, world, params, listeners), choose, world, params, items)
    return (taken.kept * taken.is_there[..., None]).sum((0, 1)) / taken.is_there.sum()


@functools.partial(jax.jit, static_argnames="items")
def _sums(
    key: jax.Array, world: World, params: SatisfactionParams, listeners: jax.Array, liking: jax.Array, items: int
) -> jax.Array:
    """Mean sums of a policy that is let loose: of the first session, and of the first items."""
    starting, going = jax.random.split(key)
    walk = start(starting, world, params, listeners)
    _, taken = go_on(going, walk, drawn(policy(world, Liking(*liking))), world, params, CHUNK)
    first_UxT, session_UxT = parts(taken.is_there.T, taken.info.session_over.T, items)
    return jnp.stack([(taken.reward.T * part).sum(1).mean() for part in (session_UxT, first_UxT)])


if __name__ == "__main__":
    main()
