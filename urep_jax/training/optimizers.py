"""Optimisers."""

import optax


def adam(learning_rate: float, *, clip_norm: float = 1.0) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015) on gradients whose global norm is clipped.

    On tables that are row-sparse it is lazy Adam (`training.row_sparse`).

    Args:
        learning_rate: step size, above 0.
        clip_norm: largest norm that a gradient keeps.

    Raises:
        ValueError: if `learning_rate` is not above 0.
    """
    if not learning_rate > 0:
        raise ValueError(f"learning_rate is {learning_rate}, but must be above 0")
    return optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(learning_rate))
