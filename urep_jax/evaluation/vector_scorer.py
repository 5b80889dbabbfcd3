"""Track vectors behind the scoring call that evaluations use: what is near to the mean of what is there."""

import numpy as np
from jaxtyping import Float32
from scipy.sparse import csr_array

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of, ranges
from urep_jax.evaluation.scorer import Scorer, catalogue_scorer


def vector_scorer(vectors: Float32[np.ndarray, "V D"], log: EventLog, cases: Cases) -> Scorer:
    r"""Score a track by its cosine with the mean of the vectors of a case's ups.

    .. math:: s_v = e_v \cdot \frac{1}{|H|} \sum_{w \in H} e_w

    The mean isn't brought to length 1, which would change no order. Tracks without a vector are never recommended, and
    say nothing as ups.

    Args:
        vectors: of length 1, or zeros for a track without one.
        log: the log that the cases belong to.
        cases: the questions.
    """
    known_V = vectors.any(axis=1)

    def catalogue(rows_B: np.ndarray, items: slice) -> np.ndarray:
        event = ranges(cases.start[rows_B], cases.stop[rows_B])
        item = np.asarray(log.item)[event]
        weight = ((np.asarray(log.feedback)[event] == Feedback.UP) & known_V[item]).astype(np.float32)
        offsets = offsets_of(cases.stop[rows_B] - cases.start[rows_B])
        seeds_BxV = csr_array((weight, item, offsets), shape=(len(rows_B), len(vectors)))
        mean_BxD = (seeds_BxV @ vectors) / np.maximum(seeds_BxV.sum(axis=1), 1)[:, None]
        return np.where(known_V[items], mean_BxD @ vectors[items].T, -np.inf).astype(np.float32)

    return catalogue_scorer(catalogue)
