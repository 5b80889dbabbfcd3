"""Factors of who listens to what that are learnt by rank: LightFM's."""

import numpy as np
from jaxtyping import Float32
from scipy.sparse import coo_array, csr_array


def lightfm_vectors(
    counts: csr_array, *, width: int = 120, seed: int = 0, epochs: int = 10
) -> Float32[np.ndarray, "N D"]:
    """Vectors of users whose dot products with those of items put what they listen to before the rest (WARP).

    How often a user listened to an item plays no role, only whether they did. It runs in one thread, so that a seed
    says what comes out.

    Args:
        counts: N x V, from `play_counts`.
        width: D, factors.
        seed: of the start, and of the order of what is learnt from.
        epochs: passes over all users and items.

    Source:
        Kula 2015; the loss, Weston et al. 2011. Generalized User Representations compares with it in Table 1.

    Raises:
        ImportError: without the package `lightfm-next`, which `pip install -e '.[baselines]'` brings.
    """
    # An extra: whoever asks for it has it, and nobody else pays for its import.
    from lightfm import LightFM

    # It reads indices of 32 bits only.
    row, item = (places.astype(np.int32) for places in counts.nonzero())
    heard = coo_array((np.ones(len(row), np.float32), (row, item)), shape=counts.shape)
    model = LightFM(no_components=width, loss="warp", random_state=seed).fit(heard, epochs=epochs, num_threads=1)
    found: Float32[np.ndarray, "N D"] = np.asarray(model.user_embeddings, np.float32)
    return found
