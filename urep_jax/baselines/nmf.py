"""Non-negative factors of who listens to what: vectors of users without any features."""

import warnings

import numpy as np
from jaxtyping import Float32
from scipy.sparse import csr_array
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning


def nmf_vectors(counts: csr_array, *, width: int = 120, seed: int = 0, sweeps: int = 100) -> Float32[np.ndarray, "N D"]:
    r"""W of :math:`\min_{W, H \ge 0} \|\log(1 + C) - W H\|_F^2`, for plays C of users and items.

    Where users and items are fewer than `width`, there are as many factors as the fewer of them.

    Args:
        counts: N x V, from `play_counts`.
        width: D, factors.
        seed: of the start.
        sweeps: passes of coordinate descent at most.

    Source:
        Lee and Seung 2001; for ratings, Zhang et al. 2006, which Generalized User Representations compares with.
    """
    logs = counts.log1p()
    model = NMF(min(width, *counts.shape), init="nndsvda", random_state=seed, max_iter=sweeps)
    with warnings.catch_warnings():
        # Further sweeps change digits that nobody reads.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found: Float32[np.ndarray, "N D"] = model.fit_transform(logs).astype(np.float32)
    return found
