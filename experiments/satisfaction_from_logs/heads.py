"""How right the response model is of each thing that it tells, on logs that it hasn't learnt from."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.satisfaction_from_logs.learning import LearntResponses
from experiments.satisfaction_from_logs.logged import Logged
from urep_jax.evaluation.response_calibration import response_calibration
from urep_jax.metrics.calibration import Calibration

BINS = 15
"""Of equal mass, in which chances are compared with what happened."""

Heads = Mapping[str, Calibration]
"""By the head's name, as of `response_calibration`."""


def judge_heads(logged: Logged, learnt: LearntResponses, days: float) -> dict[str, Heads]:
    """The calibration of each head, by the test's name.

    Args:
        logged: the logs.
        learnt: the response model.
        days: when the logs end, since their beginning.
    """
    return {
        test: response_calibration(learnt.params, learnt.windows[test], learnt.items, learnt.model, days, BINS)
        for test in logged.tests
    }


def all_of(states: Sequence[Calibration]) -> Calibration:
    """One calibration of several, bin by bin."""
    first, *others = states
    for other in others:
        first = first.merge(other)
    return first


def metrics_of(worlds: Sequence[Mapping[str, Heads]]) -> dict[str, float]:
    """What `metrics.json` says of it: means over worlds."""
    metrics: dict[str, float] = {}
    for test, heads in worlds[0].items():
        for head in heads:
            states = [world[test][head] for world in worlds]
            stem = f"responses/{test.replace(' ', '_')}/{head}"
            metrics[f"{stem}/ece"] = float(np.mean([state.compute() for state in states]))
            metrics[f"{stem}/resolution"] = float(np.mean([state.resolution() for state in states]))
            metrics[f"{stem}/share"] = float(np.mean([state.happened.sum() / state.count.sum() for state in states]))
            metrics[f"{stem}/ece_of_right_chances"] = float(np.mean([right_chances(state) for state in states]))
    return metrics


def right_chances(state: Calibration) -> float:
    """The calibration error that is to be expected of right chances (see `Calibration.compute`)."""
    count, share = state.count.sum(), state.happened.sum() / state.count.sum()
    return float(np.sqrt(2 * BINS * share * (1 - share) / (np.pi * count)))
