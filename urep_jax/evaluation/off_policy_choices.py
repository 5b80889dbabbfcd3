"""What another policy would have done at each event of a log: what `off_policy` weighs by, and its models read."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from urep_jax.simulation.satisfaction.environment import AnyWorld, Observation
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.replay import replay

CLOSE = 1e-3
"""How far, as a share, a probability may lie from the log's, which was made by another program of 32-bit numbers."""

Logits = Callable[[Observation], Float32[Array, "N"]]
"""`logits(observation)`: a policy that draws a candidate from their softmax, as `logs.drawn` does."""

Describe = Callable[[Observation], Float32[Array, "N M"]]
"""`describe(observation)`: numbers of each candidate as it stands to the listener now, for a model of rewards."""


class Choices(NamedTuple):
    """What a policy would have done at each event. Where no event is, it means nothing.

    Attributes:
        target: probability with which it chooses what was chosen.
        taken: numbers of what was chosen.
        expected: their mean over what it chooses.
    """

    target: Float32[np.ndarray, "U T"]
    taken: Float32[np.ndarray, "U T M"]
    expected: Float32[np.ndarray, "U T M"]


def choices(
    log: Log,
    world: AnyWorld,
    params: SatisfactionParams,
    target: Logits,
    logging: Logits,
    describe: Describe,
) -> Choices:
    """Ask a policy about each event of a log. It is compiled for each policy and for each shape of a log.

    Args:
        log: from `write_log`.
        world: the world; only what a service knows of it is read.
        params: its parameters, of which only `repeat_days` is read.
        target: the policy that is asked about.
        logging: the policy that wrote the log.
        describe: what a model of rewards reads of each candidate.

    Raises:
        ValueError: if the logging policy isn't the one that wrote the log, or never offers what the target does: the
            log then tells nothing of it.
    """
    found = jax.device_get(_asked(log, world, params, target, logging, describe))
    target_UxT, logging_UxT, missed_UxT, item_UxT, taken_UxTxM, expected_UxTxM = found
    there_UxT = np.asarray(log.is_there)
    wrong = np.argwhere(there_UxT & (np.abs(logging_UxT - log.probability) > CLOSE * np.asarray(log.probability)))
    if len(wrong):
        row, event = wrong[0]
        raise ValueError(
            f"logging chooses what was chosen at event {event} of row {row} with probability "
            f"{logging_UxT[row, event]:.4g}, but the log says {log.probability[row, event]:.4g}; name the policy that "
            "wrote the log"
        )
    wrong = np.argwhere(there_UxT & (missed_UxT > 0))
    if len(wrong):
        row, event = wrong[0]
        raise ValueError(
            f"target offers item {item_UxT[row, event]} at event {event} of row {row} with probability "
            f"{missed_UxT[row, event]:.4g}, but the logging policy never does, and the log tells nothing of it; ask "
            "about a policy that offers only what could be logged"
        )
    return Choices(target_UxT, taken_UxTxM, expected_UxTxM)


@partial(jax.jit, static_argnames=("target", "logging", "describe"))
def _asked(
    log: Log, world: AnyWorld, params: SatisfactionParams, target: Logits, logging: Logits, describe: Describe
) -> tuple[jax.Array, ...]:
    """Compiled here, because `read` is another function each time."""

    def read(seen: Observation, action: jax.Array) -> tuple[jax.Array, ...]:
        target_N, logging_N = jax.nn.softmax(target(seen)), jax.nn.softmax(logging(seen))
        missed_N = jnp.where(logging_N > 0, 0.0, target_N)
        worst = jnp.argmax(missed_N)
        numbers_NxM = describe(seen)
        missed = (missed_N[worst], seen.candidates[worst])
        return target_N[action], logging_N[action], *missed, numbers_NxM[action], target_N @ numbers_NxM

    return replay(log, world, params, read)
