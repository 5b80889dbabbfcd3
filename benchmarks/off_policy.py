"""What other policies would bring, estimated from logs of one policy, beside what they bring in the simulated world.

    python -m benchmarks.off_policy

A policy draws an item from the softmax of `sharpness * nearness`, the nearness of its content to the listener's vector.
The logging policy has sharpness 1; those that are asked about are ever sharper, down to the nearest item alone. Logs of
listeners drawn anew, with replacement, are written in several worlds. Three questions are put to each: the mean reward
of an item, in the situations that the logging policy came to in its first items; the mean sum of the rewards of a
listener's first session; and that of the first items, across sessions.

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
from urep_jax.simulation.satisfaction.logs import CHUNK, Log, drawn, write_log
from urep_jax.simulation.satisfaction.rollout import go_on, start
from urep_jax.simulation.streaming import StreamingParams

STREAMING = StreamingParams(num_users=400, num_tracks=300, num_artists=100, num_shows=20, num_genres=8, num_topics=4)
CANDIDATES = 20
LOGGING = 1.0
TARGETS = (1.0, 1.1, 1.25, 1.5, 2.0, 4.0, math.inf)
"""Sharpness of the policies that are asked about."""

CUT = 10.0
"""The largest weight of estimators that cut."""

QUESTIONS = ("the next item", "the first session", "the first items")
_OF_SUMS = ("per decision", f"cut at {CUT:.0f}", "weighted", "sequential dr", "weighted dr", "by model")
ESTIMATORS = (("ips", f"cut at {CUT:.0f}", "snips", "dr", "by model"), _OF_SUMS, _OF_SUMS)


class Found(NamedTuple):
    """What was found of one question.

    Attributes:
        truth: of each target.
        estimates: of each repetition, target and estimator: value, half of the 95 % interval, and effective sample.
    """

    truth: np.ndarray
    estimates: np.ndarray


def near(world: World, sharpness: float) -> Logits:
    """Logits of a policy that is drawn to what is near the listener; of infinite sharpness, to the nearest alone."""

    def logits(seen: Observation) -> jax.Array:
        near_N = world.items.content[seen.candidates] @ seen.vector / seen.vector.shape[0] ** 0.5
        if math.isinf(sharpness):
            return jnp.where(jnp.arange(near_N.shape[0]) == jnp.argmax(near_N), 0.0, -jnp.inf)
        return sharpness * near_N

    return logits


def numbers(world: World) -> Callable[[Observation], jax.Array]:
    """What a model of rewards reads of each candidate: the item, the moment, and how the two stand to each other."""

    def of(seen: Observation) -> jax.Array:
        at_N, recent, items = seen.candidates, seen.recent, world.items
        near_N = items.content[at_N] @ seen.vector / seen.vector.shape[0] ** 0.5
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
    targets: tuple[float, ...] = TARGETS,
    listeners: int = 500,
    items: int = 20,
    repetitions: int = 40,
    truth_listeners: int = 20_000,
) -> list[Found]:
    """The three questions, in one world."""
    policies = tuple(near(world, sharpness) for sharpness in targets)
    logging, read = near(world, LOGGING), numbers(world)
    choose, count = drawn(logging), world.listeners.hour.shape[0]
    next_key, sums_key, logs_key = jax.random.split(jax.random.key(seed), 3)
    everybody = np.arange(truth_listeners, dtype=np.int32) % count
    truths = [np.asarray(_next_item(next_key, world, params, everybody, logging, policies, items))]
    truths += list(np.transpose([_sums(sums_key, world, params, one, everybody, items) for one in policies]))
    rng = np.random.default_rng(seed)
    estimates: list[list[Any]] = [[] for _ in QUESTIONS]
    for repetition in range(repetitions):
        who_U = rng.integers(0, count, listeners)
        log, unseen = write_log(jax.random.fold_in(logs_key, repetition), world, params, choose, who_U, CHUNK)
        asked = [choices(log, world, params, policy, logging, read) for policy in policies]
        first_UxT, session_UxT = parts(log, items)
        for question, is_there_UxT in enumerate((first_UxT, session_UxT, first_UxT)):
            of = slice(int(is_there_UxT.sum(1).max()))
            estimate = of_next_item if question == 0 else of_sums
            rest = (np.asarray(log.probability)[:, of], is_there_UxT[:, of], np.asarray(unseen.reward)[:, of])
            estimates[question].append([estimate(Choices(*(x[:, of] for x in one)), *rest) for one in asked])
    return [Found(truth, np.asarray(found)) for truth, found in zip(truths, estimates, strict=True)]


def parts(log: Log, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Which events are among the first so many of a listener, and which are of the first session."""
    there_UxT, over_UxT = np.asarray(log.is_there), np.asarray(log.session_over)
    is_first_UxT = there_UxT & (np.arange(there_UxT.shape[1]) < items)
    return is_first_UxT, there_UxT & (np.cumsum(over_UxT, axis=1) - over_UxT == 0)


def of_next_item(of: Choices, logged: np.ndarray, there: np.ndarray, rewards: np.ndarray) -> list[tuple[float, ...]]:
    """All estimates of an item's reward."""
    weights, cut = (event_weights(of.target, logged, there, most) for most in (math.inf, CUT))
    q, v = expected_rewards(rewards, of, there)
    plain, at_most = ips(rewards, weights, there), ips(rewards, cut, there)
    return _told(plain, at_most, snips(rewards, weights, there), dr(rewards, weights, q, v, there), by_model(v, there))


def of_sums(of: Choices, logged: np.ndarray, there: np.ndarray, rewards: np.ndarray) -> list[tuple[float, ...]]:
    """All estimates of the sum of a listener's rewards."""
    weights, cut = (path_weights(of.target, logged, there, most) for most in (math.inf, CUT))
    q, v = expected_sums(rewards, of, there)
    return _told(
        per_decision(rewards, weights, there),
        per_decision(rewards, cut, there),
        weighted_per_decision(rewards, weights, there),
        sequential_dr(rewards, weights, q, v, there),
        weighted_sequential_dr(rewards, weights, q, v, there),
        by_model(v[:, :1], there[:, :1]),
    )


def tables(found: list[Found], question: int, targets: tuple[float, ...]) -> str:
    """What was found of a question over worlds: what is estimated, and how far off that is."""
    value, half, effective = np.moveaxis(np.stack([world.estimates for world in found]), -1, 0)
    truth_WxK = np.stack([world.truth for world in found])
    off = value - truth_WxK[:, None, :, None]
    # An interval that isn't given doesn't hold the truth.
    holds = np.abs(off) < np.nan_to_num(half)
    # All events, or listeners, are those that the model is asked about.
    sample_K = (effective[..., 0] / effective[..., -1]).mean((0, 1))

    def estimate(k: int, e: int) -> str:
        return f"{_mean(value[:, :, k, e]):.2f} ±{_mean(half[:, :, k, e]):.2f}"

    def error(k: int, e: int) -> str:
        return f"{math.sqrt(_mean(off[:, :, k, e] ** 2)):.2f}, {holds[:, :, k, e].mean():.0%}"

    names, lines = ESTIMATORS[question], []
    for title, cell in (("estimates", estimate), ("errors, and intervals that hold the truth", error)):
        lines += [f"{QUESTIONS[question]}: {title}\n", f"| sharpness | truth | sample | {' | '.join(names)} |"]
        lines.append(f"| ---: |{' ---: |' * (len(names) + 2)}")
        for k, sharpness in enumerate(targets):
            name = "the nearest" if math.isinf(sharpness) else f"{sharpness:g}"
            cells = " | ".join(cell(k, e) for e in range(len(names)))
            lines.append(f"| {name} | {truth_WxK[:, k].mean():.2f} | {sample_K[k]:.1%} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, nargs="+", default=[100, 101, 102, 103], help="seeds")
    parser.add_argument("--listeners", type=int, default=500, help="of a log")
    parser.add_argument("--items", type=int, default=20, help="of the first items")
    parser.add_argument("--repetitions", type=int, default=40, help="logs of each world")
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


def _told(*estimates: Estimate) -> list[tuple[float, ...]]:
    return [(one.value, one.ci95(), one.effective) for one in estimates]


def _mean(x: np.ndarray) -> float:
    """Of what there is."""
    return float(x[~np.isnan(x)].mean()) if not np.isnan(x).all() else math.nan


@functools.partial(jax.jit, static_argnames=("logging", "policies", "items"))
def _next_item(
    key: jax.Array,
    world: World,
    params: SatisfactionParams,
    listeners: jax.Array,
    logging: Logits,
    policies: tuple[Logits, ...],
    items: int,
) -> jax.Array:
    """What each policy brings in the mean where the logging policy came to."""

    def choose(key: jax.Array, state: State, seen: Observation) -> tuple[jax.Array, jax.Array]:
        own, drawing, stepping = jax.random.split(key, 3)
        actions_K = jnp.stack([drawn(policy)(drawing, state, seen)[0] for policy in policies])
        reward_K = jax.vmap(lambda action: step(stepping, state, action, world, params)[2])(actions_K)
        return drawn(logging)(own, state, seen)[0], reward_K

    starting, going = jax.random.split(key)
    _, taken = go_on(going, start(starting, world, params, listeners), choose, world, params, items)
    return (taken.kept * taken.is_there[..., None]).sum((0, 1)) / taken.is_there.sum()


def _sums(
    key: jax.Array, world: World, params: SatisfactionParams, policy: Logits, listeners: np.ndarray, items: int
) -> list[float]:
    """Mean sums of a policy that is let loose: of the first session, and of the first items."""
    log, unseen = write_log(key, world, params, drawn(policy), listeners, CHUNK)
    first_UxT, session_UxT = parts(log, items)
    return [float(np.where(there, unseen.reward, 0).sum(1).mean()) for there in (session_UxT, first_UxT)]


if __name__ == "__main__":
    main()
