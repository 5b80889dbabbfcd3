"""The hardest of k random negatives, found block by block."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from urep_jax.data.vocabulary import PAD

_BLOCK = 1024


def candidate_scores(
    hidden: Float[Array, "B T D"], table: Float[Array, "R D"], ids: Int[Array, "#B #T K"]
) -> Float[Array, "B T K"]:
    """Scores of each position's candidates; candidates that positions share are read once."""
    rows = table[ids]
    if ids.shape[:2] == (1, 1):
        return jnp.einsum("btd,kd->btk", hidden, rows[0, 0])
    if ids.shape[1] == 1:
        return jnp.einsum("btd,bkd->btk", hidden, rows[:, 0])
    return jnp.einsum("btd,btkd->btk", hidden, rows)


def hardest_negative(
    hidden: Float[Array, "B T D"],
    table: Float[Array, "R D"],
    ids: Int[Array, "#B #T K"],
    target: Int[Array, "B T"],
) -> Int[Array, "B T"]:
    """The candidate with the highest score at each position, the target excluded; `PAD` where none is left.

    Scores of at most 1024 candidates exist at a time, and none is kept: only the winner's score, taken
    again by the caller, has a gradient.

    Args:
        hidden: vectors at the task positions.
        table: item embeddings by row.
        ids: item rows of the candidates, from `data.negatives.draw_negatives`.
        target: item row of each position's target.

    Source:
        Negative Feedback for Music Personalization, §5.2.
    """
    hidden, table = jax.lax.stop_gradient((hidden, table))
    K = ids.shape[-1]
    block = min(K, _BLOCK)
    padded = jnp.pad(ids, ((0, 0), (0, 0), (0, -K % block)), constant_values=PAD)
    blocks = jnp.moveaxis(padded.reshape(*ids.shape[:2], -1, block), 2, 0)

    def harder(best: tuple[Array, Array], block_ids: Array) -> tuple[tuple[Array, Array], None]:
        best_score_BxT, best_id_BxT = best
        allowed = (block_ids != PAD) & (block_ids != target[..., None])
        scores = jnp.where(allowed, candidate_scores(hidden, table, block_ids), -jnp.inf)
        winner = jnp.argmax(scores, axis=-1)[..., None]
        score_BxT = jnp.take_along_axis(scores, winner, axis=-1)[..., 0]
        id_BxT = jnp.take_along_axis(jnp.broadcast_to(block_ids, scores.shape), winner, axis=-1)[..., 0]
        better = score_BxT > best_score_BxT
        return (jnp.where(better, score_BxT, best_score_BxT), jnp.where(better, id_BxT, best_id_BxT)), None

    nothing = (jnp.full(target.shape, -jnp.inf, hidden.dtype), jnp.full(target.shape, PAD, ids.dtype))
    (_, best_id_BxT), _ = jax.lax.scan(harder, nothing, blocks)
    return best_id_BxT
