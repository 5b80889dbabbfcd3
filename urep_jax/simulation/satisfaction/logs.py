"""What a service would have logged of its listeners, and, apart from it, what it can't know.

A log is an array for each column, listeners by events, padded at the end. The probability of each choice is logged with
it, so that other policies can be judged by what this one did. A listener who isn't back when the window ends may have
left for good or be about to return: the log has how long that has been, and that it isn't over (right-censoring).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int, Int32

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Observation
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import TRUE, Choose, Environment, Trajectory, Walk, go_on, start
from urep_jax.simulation.streaming.params import DEVICES

CHUNK = 64
"""Steps that are taken before it is looked whether anybody still walks."""

FIRST_SECOND = 1_704_067_200
"""When event tables begin: 2024-01-01, 00:00 UTC."""

AnyArray = np.ndarray | jax.Array


class Log(NamedTuple):
    """What `U` listeners did in `T` events each, as far as a service sees it.

    Attributes:
        listener: who each is.
        is_there: which events there are; each listener's come first.
        item: what was offered.
        feedback: code of `core.types.Feedback`.
        ratio: share of it that was heard.
        began: when it was offered, in hours since the beginning.
        hours: when it was over.
        hour: of the day, when it was offered.
        device: index into `streaming.params.DEVICES`.
        place: items that had been heard in this session.
        days_since: between the session before and this one.
        heard: how often the listener had heard it, as `Observation.heard`.
        pool: the pool that candidates came from.
        session_over: whether the session ended after it.
        came_back: whether another session began within the window; only where a session ended.
        days_away: days until it, or until the window's end where none began; 0 where the session went on.
        probability: with which the policy chose the item.
    """

    listener: Int32[AnyArray, "U"]
    is_there: Bool[AnyArray, "U T"]
    item: Int32[AnyArray, "U T"]
    feedback: Int32[AnyArray, "U T"]
    ratio: Float32[AnyArray, "U T"]
    began: Float32[AnyArray, "U T"]
    hours: Float32[AnyArray, "U T"]
    hour: Float32[AnyArray, "U T"]
    device: Int32[AnyArray, "U T"]
    place: Int32[AnyArray, "U T"]
    days_since: Float32[AnyArray, "U T"]
    heard: Float32[AnyArray, "U T"]
    pool: Int32[AnyArray, "U T"]
    session_over: Bool[AnyArray, "U T"]
    came_back: Bool[AnyArray, "U T"]
    days_away: Float32[AnyArray, "U T"]
    probability: Float32[AnyArray, "U T"]


class Unseen(NamedTuple):
    """What no service logs, to judge by alone.

    Attributes:
        satisfaction: after each event; NaN in a world that is learned.
        left: whether the listener left for good.
        reward: of each event.
        utility: of each item when it was offered; NaN in a world that is learned.
    """

    satisfaction: Float32[AnyArray, "U T"]
    left: Bool[AnyArray, "U"]
    reward: Float32[AnyArray, "U T"]
    utility: Float32[AnyArray, "U T"]


class _Seen(NamedTuple):
    hours: jax.Array
    hour: jax.Array
    device: jax.Array
    place: jax.Array
    days_since: jax.Array
    heard: jax.Array
    pool: jax.Array
    probability: jax.Array


def drawn(logits: Callable[[Observation], Float32[Array, "N"]]) -> Choose:
    """A policy that draws a candidate from the softmax of what `logits(observation)` says of each.

    It keeps the probability with which it chose, as `write_log` wants it.
    """

    def choose(key: jax.Array, state: AnyState, seen: Observation) -> tuple[jax.Array, jax.Array]:
        log_N = jax.nn.log_softmax(logits(seen))
        action = jax.random.categorical(key, log_N)
        return action, jnp.exp(log_N[action])

    return choose


def write_log(
    key: jax.Array,
    world: AnyWorld,
    params: SatisfactionParams,
    choose: Choose,
    listeners: Int[AnyArray, "U"],
    most_steps: int,
    environment: Environment = TRUE,
) -> tuple[Log, Unseen]:
    """The events of these listeners under a policy, until the window's end or for so many steps.

    Args:
        key: decides what is drawn.
        world: the world.
        params: its parameters; the window is its `weeks`.
        choose: the policy, of one item a step; what it keeps is the probability with which it chose.
        listeners: who is logged.
        most_steps: events after which a listener's log is cut, at least 1; rounded up to a multiple of `CHUNK`.
        environment: where they live.

    Raises:
        ValueError: if `most_steps` is below 1.
    """
    if most_steps < 1:
        raise ValueError(f"most_steps is {most_steps}, but must be at least 1; raise it")
    beginning, walking = jax.random.split(key)
    who_U = jnp.asarray(listeners, jnp.int32)
    walk = _started(beginning, world, params, who_U, environment)
    parts: list[Trajectory] = []
    for chunk in range(-(-most_steps // CHUNK)):
        walk, taken = _walked(jax.random.fold_in(walking, chunk), walk, world, params, choose, environment)
        parts.append(jax.device_get(taken))
        if walk.is_done.all():
            break
    whole = jax.tree.map(lambda *part: np.swapaxes(np.concatenate(part), 0, 1), *parts)
    length = max(1, int(whole.is_there.sum(1).max()))
    whole = jax.tree.map(lambda x: x[:, :length], whole)
    return _logged(whole, np.asarray(who_U), np.asarray(world.items.minutes), params)


def joined(logs: Sequence[Log]) -> Log:
    """One log of several of different listeners, or of different policies."""
    longest = max(log.is_there.shape[1] for log in logs)

    def pad(x: Any) -> np.ndarray:
        x = np.asarray(x)
        return x if x.ndim == 1 else np.pad(x, ((0, 0), (0, longest - x.shape[1])))

    return Log(*(np.concatenate([pad(part) for part in parts]) for parts in zip(*logs, strict=True)))


def event_table(log: Log, first_second: int = FIRST_SECOND) -> dict[str, np.ndarray]:
    """The log as the columns of an event table: what anybody's logs are brought as, one row for each event.

    Of the hour of the day, which has nothing to do with when a session begins, comes `utc_offset`: that of a listener
    for whom it was that hour then, to a quarter of an hour.

    Args:
        log: the log.
        first_second: when it begins, in seconds since 1970, UTC.
    """
    there = np.asarray(log.is_there)
    row_N, _ = np.nonzero(there)
    of: Any = jax.tree.map(lambda x: np.asarray(x)[there], log._replace(listener=there))
    seconds_N = np.round(of.began * SECONDS_PER_DAY / HOURS_PER_DAY).astype(np.int64) + first_second
    utc_N = seconds_N % SECONDS_PER_DAY
    local_N = np.round(of.hour * SECONDS_PER_DAY / HOURS_PER_DAY).astype(np.int64)
    half, quarter = SECONDS_PER_DAY // 2, 900
    offset_N = (local_N - utc_N + half) % SECONDS_PER_DAY - half
    words = {int(feedback): feedback.word for feedback in Feedback}
    return {
        "user_id": np.asarray(log.listener)[row_N],
        "item_id": of.item,
        "timestamp": seconds_N,
        "feedback": np.array([words[code] for code in of.feedback.tolist()]),
        "device": np.array(DEVICES)[of.device],
        "played_ratio": of.ratio,
        "utc_offset": (np.round(offset_N / quarter) * quarter).astype(np.int64),
    }


@partial(jax.jit, static_argnames=("environment",))
def _started(
    key: jax.Array, world: AnyWorld, params: SatisfactionParams, who_U: jax.Array, environment: Environment
) -> Walk:
    return start(key, world, params, who_U, environment)


@partial(jax.jit, static_argnames=("choose", "environment"))
def _walked(
    key: jax.Array, walk: Walk, world: AnyWorld, params: SatisfactionParams, choose: Choose, environment: Environment
) -> tuple[Walk, Trajectory]:
    def watched(key: jax.Array, state: AnyState, seen: Observation) -> tuple[jax.Array, _Seen]:
        action, probability = choose(key, state, seen)
        # Of the candidates only what is chosen is kept, which is all that is logged.
        moment = (seen.hours, seen.hour, seen.device, seen.place, seen.days_since, seen.heard[action])
        return action, _Seen(*moment, state.session.pool, jnp.asarray(probability, jnp.float32))

    return go_on(key, walk, watched, world, params, CHUNK, environment)


def _logged(of: Trajectory, who_U: np.ndarray, minutes_V: np.ndarray, params: SatisfactionParams) -> tuple[Log, Unseen]:
    """The log of what happened, listeners by events."""
    seen, info, there = of.kept, of.info, of.is_there
    end = HOURS_PER_DAY * DAYS_PER_WEEK * float(params.weeks)
    hours = seen.hours + info.ratio * minutes_V[info.item] / 60
    over = info.session_over & there
    came_back = over & ~of.terminated & (hours + HOURS_PER_DAY * info.days_away < end)
    until_end = np.maximum(end - hours, 0) / HOURS_PER_DAY
    log = Log(
        listener=who_U,
        is_there=there,
        item=info.item,
        feedback=np.where(there, info.feedback, int(Feedback.NONE)).astype(np.int32),
        ratio=info.ratio,
        began=seen.hours,
        hours=hours.astype(np.float32),
        hour=seen.hour,
        device=seen.device,
        place=seen.place,
        days_since=seen.days_since,
        heard=seen.heard,
        pool=seen.pool,
        session_over=over,
        came_back=came_back,
        days_away=np.where(over, np.where(came_back, info.days_away, until_end), 0).astype(np.float32),
        probability=seen.probability,
    )
    return log, Unseen(info.satisfaction, of.terminated.any(1), of.reward, info.utility)
