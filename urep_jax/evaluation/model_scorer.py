"""The transformer behind the scoring call that evaluations use."""

import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int, Int32

from urep_jax.core.mesh import WHOLE, Part, by_rows, data_mesh, own_part, put_batch, put_copies, replicated
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.sequences import Batch, Sequences
from urep_jax.data.vocabulary import FIRST_ITEM
from urep_jax.evaluation.scorer import Scorer
from urep_jax.models import transformer
from urep_jax.models.transformer import Params, TransformerConfig


def transformer_scorer(
    params: Params, cfg: TransformerConfig, sequences: Sequences, cases: Cases, *, chunk: int = 256
) -> Scorer:
    """The model bound to the questions of one evaluation.

    Every case is encoded once, here; the returned functions are products with the item table. Items that training
    never saw are scored by the unknown row where they are candidates, and are never recommended from the catalogue.

    Args:
        params: trained parameters.
        cfg: as they were trained with.
        sequences: reads the log that the cases are of.
        cases: the questions.
        chunk: cases encoded at once; it changes no result.
    """
    params = put_copies(params, data_mesh())
    vectors_CxD = question_vectors(params, cfg, sequences, cases, chunk=chunk)
    row_V, table_RxD = sequences.item_rows, params["tables"]["item"]

    def candidates(rows_B: np.ndarray, items_BxM: np.ndarray) -> Array:
        return _compiled(_candidate_scores)(vectors_CxD[rows_B], table_RxD, row_V[items_BxM])

    def catalogue(rows_B: np.ndarray, items: slice) -> Array:
        return _compiled(_catalogue_scores)(vectors_CxD[rows_B], table_RxD, row_V[items])

    return Scorer(candidates, catalogue)


def question_vectors(
    params: Params, cfg: TransformerConfig, sequences: Sequences, cases: Cases, *, chunk: int = 256
) -> Float32[np.ndarray, "C D"]:
    """What the model makes of each case's question: the vector that every song is multiplied with.

    Of several processes each reads the questions that its own devices encode, and has the vectors of all.
    """
    if not len(cases):
        return np.zeros((0, cfg.width), np.float32)
    mesh = data_mesh()
    part = own_part(mesh)
    chunks = _rows(len(cases), chunk, mesh.size)
    batches = (sequences.question_batch(cases, rows[part.rows(len(rows))]) for rows in chunks)
    return encode_questions(params, cfg, batches, part)[: len(cases)]


def encode_questions(
    params: Params, cfg: TransformerConfig, batches: Iterator[Batch], part: Part = WHOLE
) -> Float32[np.ndarray, "N D"]:
    """The vectors at the question of every row of the batches, spread over all devices.

    Args:
        params: trained parameters.
        cfg: as they were trained with.
        batches: from `append_question`, of any number of rows where the process reads whole ones.
        part: which rows of each batch the process reads.
    """
    mesh = data_mesh()
    encode = _question_encoder(cfg)
    params = put_copies(params, mesh)
    vectors = []
    for batch in batches:
        rows = len(batch.row) // len(part.runs) * part.of
        # Parts are even already.
        full = jax.tree.map(lambda x, pad=-rows % mesh.size: np.concatenate([x, x[np.zeros(pad, int)]]), batch)
        vectors.append(np.asarray(encode(params, put_batch(full, mesh, part)))[:rows])
    return np.concatenate(vectors)


@functools.lru_cache(maxsize=8)
def _question_encoder(cfg: TransformerConfig) -> jax.stages.Wrapped:
    mesh = data_mesh()

    def encode(params: Params, batch: Batch) -> Float[Array, "B D"]:
        return transformer.at_tasks(transformer.encode(params, batch, cfg), batch.task)[:, 0]

    return jax.jit(encode, in_shardings=(None, by_rows(mesh)), out_shardings=replicated(mesh))


@functools.cache
def _compiled(score: Callable[..., Array]) -> jax.stages.Wrapped:
    """Compiled so that every process has the scores, whatever lies where."""
    return jax.jit(score, out_shardings=replicated(data_mesh()))


def _candidate_scores(
    vectors_BxD: Float[Array, "B D"], table_RxD: Float[Array, "R D"], row_BxM: Int[Array, "B M"]
) -> Float[Array, "B M"]:
    return jnp.einsum("bd,bmd->bm", vectors_BxD, table_RxD[row_BxM])


def _catalogue_scores(
    vectors_BxD: Float[Array, "B D"], table_RxD: Float[Array, "R D"], row_C: Int[Array, "C"]
) -> Float[Array, "B C"]:
    return jnp.where(row_C < FIRST_ITEM, -jnp.inf, vectors_BxD @ table_RxD[row_C].T)


def _rows(count: int, chunk: int, devices: int) -> Iterator[Int32[np.ndarray, "B"]]:
    """All case numbers in chunks of one shape, a multiple of the devices: the last is filled up with its last case."""
    chunk = -(-min(chunk, count) // devices) * devices
    for first in range(0, count, chunk):
        yield np.minimum(np.arange(first, first + chunk), count - 1)


def feedback_cosines(params: Params) -> dict[str, float]:
    """Cosine similarity of the learned embeddings of each two kinds of feedback; empty for a model without them.

    Source: Negative Feedback for Music Personalization, §5.3.
    """
    if "feedback" not in params["body"]:
        return {}
    table = np.asarray(params["body"]["feedback"], np.float64)
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    pairs = ((Feedback.UP, Feedback.DOWN), (Feedback.UP, Feedback.SKIP), (Feedback.DOWN, Feedback.SKIP))
    return {f"{a.word}_{b.word}": float(unit[a] @ unit[b]) for a, b in pairs}
