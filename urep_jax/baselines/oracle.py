"""The best possible ranker of a simulated log: it reads the true affinities."""

from typing import NoReturn

import numpy as np

from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.scorer import Scorer


def oracle(log: EventLog, cases: Cases) -> Scorer:
    """Score each target by its affinity at the moment of its event. A `ScorerFactory` itself.

    It knows the targets of `cases` only, not the catalogue. An item that a case asks about twice has its mean affinity.

    Raises:
        ValueError: if the log holds no affinities; later, if it is asked for anything but a case's targets.
    """
    if log.affinity is None:
        raise ValueError(f"log {log.name!r} holds no affinity column; an oracle needs a simulated log")
    V = log.num_items
    keys, place = np.unique(cases.case * V + cases.item, return_inverse=True)
    affinity = (np.bincount(place, weights=log.affinity[cases.event]) / np.bincount(place)).astype(np.float32)

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> np.ndarray:
        scores_BxM = np.full(items_BxM.shape, -np.inf, np.float32)
        row, column = np.nonzero(items_BxM >= 0)
        case, item = rows_B[row], items_BxM[row, column]
        wanted = case * V + item
        found = np.searchsorted(keys, wanted)
        unknown = keys[np.minimum(found, len(keys) - 1)] != wanted
        if unknown.any():
            raise ValueError(
                f"the oracle is asked for item {item[unknown][0]} in case {case[unknown][0]}, which is no target of "
                "it; ask for targets only, as pair_accuracy does"
            )
        scores_BxM[row, column] = affinity[found]
        return scores_BxM

    def catalogue(rows_B: np.ndarray, items: slice) -> NoReturn:
        raise ValueError("the oracle knows the affinities of targets only, not of the catalogue; use pair_accuracy")

    return Scorer(candidates, catalogue)
