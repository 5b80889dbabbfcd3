"""Item-kNN: what those liked who liked the same."""

import numpy as np
from scipy.sparse import csr_array, vstack

from urep_jax.baselines.histories import item_to_item, training_histories
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.scorer import ScorerFactory

_PLACES = 1 << 24
"""Pairs of items that are looked at together at most."""
_UPS = {Feedback.UP: 1.0}


def item_knn(log: EventLog, split: Split, *, neighbours: int = 100, shrink: float = 10.0) -> ScorerFactory:
    r"""Score an item by its likeness to the user's ups, of which only its nearest neighbours count.

    .. math:: s_v = \sum_{w \in H \cap N(v)} \frac{n_{vw}}{\sqrt{n_v n_w} + a}

    With :math:`n_v` the training users who were up for v, :math:`n_{vw}` for both, H the user's ups, N(v) the
    `neighbours` items most alike v, and a the shrinkage, which holds back likenesses that few users vouch for.

    Args:
        log: the log.
        split: whose training events count.
        neighbours: size of N(v), at least 1.
        shrink: a, at least 0.

    Source: Deshpande and Karypis 2004; shrinkage as in Bell and Koren 2007.

    Raises:
        ValueError: if a value is out of range.
    """
    if neighbours < 1 or shrink < 0:
        raise ValueError(f"neighbours is {neighbours} and shrink {shrink}, but must be at least 1 and 0")
    ups_UxV = training_histories(log, split, _UPS)
    count_V = np.asarray(ups_UxV.sum(axis=0))
    blocks = []
    rows = max(1, _PLACES // max(1, log.num_items))
    for first in range(0, log.num_items, rows):
        both = csr_array(ups_UxV[:, first : first + rows].T @ ups_UxV).tocoo()
        other = both.col != first + both.row
        row, column, count = both.row[other], both.col[other], both.data[other]
        alike = count / (np.sqrt(count_V[first + row] * count_V[column]) + shrink)
        # The nearest of each row come first, of equals that with the smaller number.
        order = np.lexsort((column, -alike, row))
        place = np.arange(len(order)) - np.searchsorted(row[order], row[order])
        near = order[place < neighbours]
        blocks.append(csr_array((alike[near].astype(np.float32), (row[near], column[near])), shape=both.shape))
    return item_to_item(csr_array(vstack(blocks).T), _UPS)
