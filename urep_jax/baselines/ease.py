"""EASE: the best linear prediction of each item's feedback from all others'."""

import numpy as np

from urep_jax.baselines.histories import item_to_item, signs_of, training_histories
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.evaluation.scorer import ScorerFactory

MAX_ITEMS = 30_000
"""The weights of more items, a full matrix, would take over 10 GiB while they are found."""


def ease(log: EventLog, split: Split, *, ridge: float = 300.0) -> ScorerFactory:
    r"""Score an item by a linear regression on the user's signed feedback on all other items.

    .. math:: \min_B \lVert X - XB \rVert^2 + \lambda \lVert B \rVert^2, \quad \mathrm{diag}(B) = 0

    X holds 1 for an up and -1 for a down (for a skip where there are no downs). The solution is closed:
    :math:`B = I - P\,\mathrm{diag}(1 / P_{vv})` with :math:`P = (X^T X + \lambda I)^{-1}`.

    Args:
        log: the log, of at most `MAX_ITEMS` items.
        split: whose training events count.
        ridge: :math:`\lambda`, above 0.

    Source: Steck 2019; here on signed feedback.

    Raises:
        ValueError: if `ridge` is not above 0, or the log has too many items.
    """
    if not ridge > 0:
        raise ValueError(f"ridge is {ridge}, but must be above 0")
    if log.num_items > MAX_ITEMS:
        raise ValueError(
            f"EASE holds a weight for each two items, and log {log.name!r} has {log.num_items} items, more than "
            f"{MAX_ITEMS}; leave it out of the baselines"
        )
    signs = signs_of(log, split)
    history_UxV = training_histories(log, split, signs)
    gram_VxV = (history_UxV.T @ history_UxV).toarray().astype(np.float64)
    gram_VxV[np.diag_indices_from(gram_VxV)] += ridge
    inverse_VxV = np.linalg.inv(gram_VxV)
    weights_VxV = -inverse_VxV / np.diag(inverse_VxV)
    np.fill_diagonal(weights_VxV, 0.0)
    return item_to_item(weights_VxV.astype(np.float32), signs)
