"""Item-kNN: what those liked who liked the same."""

import numpy as np
from scipy.sparse import csr_array, vstack

from urep_jax.baselines.histories import item_to_item, training_histories
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.scorer import ScorerFactory

_BLOCK = 512
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
    for first in range(0, log.num_items, _BLOCK):
        mine = slice(first, first + _BLOCK)
        both_bxV = (ups_UxV[:, mine].T @ ups_UxV).toarray()
        rows = np.arange(len(both_bxV))
        both_bxV[rows, first + rows] = 0.0
        # Where nobody is up for either, the likeness is 0 / 0 without shrinkage.
        alike_bxV = both_bxV / np.maximum(np.sqrt(np.outer(count_V[mine], count_V)) + shrink, 1e-12)
        far_bxn = np.argsort(-alike_bxV, axis=1, kind="stable")[:, neighbours:]
        np.put_along_axis(alike_bxV, far_bxn, 0.0, axis=1)
        blocks.append(csr_array(alike_bxV.astype(np.float32)))
    return item_to_item(csr_array(vstack(blocks).T), _UPS)
