"""A log, its cases, and scorers for the tests of protocols."""

import contextlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import strategies as st

from tests.logs import DAY, NUM_ITEMS, NUM_SEQUENCES, log_of, rows
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.data.splits import TimeCut
from urep_jax.evaluation import scorer
from urep_jax.evaluation.scorer import Scorer

logs = rows(stations=True).map(
    lambda events: log_of(events, num_sequences=NUM_SEQUENCES, num_items=NUM_ITEMS, num_stations=2)
)
"""Logs of two stations; a time cut asks about several stations of a user, with and without a pair."""


def cases_of(log: EventLog) -> Cases:
    return TimeCut(cut=2 * DAY)(log).test


def table_scorer(scores_CxV: np.ndarray, shapes: list | None = None) -> Scorer:
    """Scores looked up in a table; at padding it returns NaN, which must have no influence."""

    def candidates(rows_B, items_BxM):
        if shapes is not None:
            shapes.append((*items_BxM.shape, np.count_nonzero(items_BxM >= 0)))
        return np.where(items_BxM >= 0, scores_CxV[rows_B[:, None], items_BxM], np.nan).astype(np.float32)

    return Scorer(candidates, lambda rows_B, items: scores_CxV[rows_B, items])


def random_scores(num_cases: int, seed: int) -> np.ndarray:
    """Scores with many ties, and some items that are never recommended."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (num_cases, NUM_ITEMS)).astype(np.float32)
    return np.where(rng.random(scores.shape) < 0.1, -np.inf, scores).astype(np.float32)


@contextlib.contextmanager
def catalogue_in_blocks(scores: int) -> Iterator[None]:
    """While entered, at most so many scores of the catalogue are asked for at a time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(scorer, "BLOCK_SCORES", scores)
        yield


block_sizes = st.sampled_from([1, 10, 20, 1 << 24])
seeds = st.integers(0, 1000)
chunk_sizes = st.integers(1, 9)
