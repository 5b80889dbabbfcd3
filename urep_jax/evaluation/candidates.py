"""How many of the items that users go for are among the candidates that were found for them, and how high."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_array

from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.group_mean import GroupMean


def found_among(found: Int[np.ndarray, "N k"], wanted: csr_array, user: Int[np.ndarray, "N"]) -> Mapping[str, ByUser]:
    r"""`recall@k` and `ndcg@k` of candidates, of each user, then averaged over users.

    .. math:: \frac{|C_u \cap W_u|}{|W_u|}, \qquad
        \frac{\sum_{r=1}^{k} [c_r \in W_u] / \log_2(1 + r)}{\sum_{r=1}^{\min(k, |W_u|)} 1 / \log_2(1 + r)}

    Users who go for nothing have no value.

    Args:
        found: the candidates of each user, best first, each at most once; below 0 is none.
        wanted: N x V, not 0 where a user goes for an item.
        user: the log's number of each.

    Source: Järvelin and Kekäläinen 2002 (nDCG); Generalized User Representations, §4.1, names candidate generation.
    """
    k, hit_Nxk = found.shape[1], gone_for(found, wanted)
    wanted_N = np.bincount(wanted.nonzero()[0], minlength=len(found))
    discount_K = 1 / np.log2(np.arange(2, k + 2))
    best_K = np.append(0.0, np.cumsum(discount_K))
    has = np.flatnonzero(wanted_N)
    values = {
        f"recall@{k}": hit_Nxk[has].sum(axis=1) / wanted_N[has],
        f"ndcg@{k}": hit_Nxk[has] @ discount_K / best_K[np.minimum(wanted_N[has], k)],
    }
    return {
        name: ByUser.from_cases(GroupMean.from_batch(values_N, has, len(found)), user)
        for name, values_N in values.items()
    }


def gone_for(found: Int[np.ndarray, "N k"], wanted: csr_array) -> Bool[np.ndarray, "N k"]:
    """Which candidates users go for; arguments as of `found_among`."""
    row_P, item_P = wanted.nonzero()
    num_items = wanted.shape[1]
    key_Nxk = np.arange(len(found))[:, None] * num_items + found
    gone_Nxk: Bool[np.ndarray, "N k"] = np.isin(key_Nxk, row_P.astype(np.int64) * num_items + item_P) & (found >= 0)
    return gone_Nxk


def found_again(found: Int[np.ndarray, "N k"], exact: Int[np.ndarray, "N K"], user: Int[np.ndarray, "N"]) -> ByUser:
    """The share of each user's nearest items that an index, which doesn't look at every one, finds too.

    Args:
        found: what the index finds; below 0 is none.
        exact: the nearest; below 0 is none. Users who have none have no value.
        user: the log's number of each.
    """
    is_there_NxK = exact >= 0
    again_NxK = is_there_NxK & (exact[:, :, None] == found[:, None, :]).any(axis=2)
    share = GroupMean.from_batch(again_NxK[is_there_NxK], np.nonzero(is_there_NxK)[0], len(exact))
    return ByUser.from_cases(share, user)
