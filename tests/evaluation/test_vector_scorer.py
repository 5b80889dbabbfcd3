"""Track vectors as a scorer."""

import numpy as np

from tests.logs import Row, log_of
from urep_jax.data.splits import LeaveOneOut
from urep_jax.evaluation.vector_scorer import vector_scorer


def test_a_score_is_the_cosine_with_the_mean_of_the_ups() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 3)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[4] = 0
    # Of the input, track 1 was disliked and 4 has no vector.
    words = {0: "up", 1: "down", 4: "up", 2: "up", 3: "up"}
    rows = [Row(0, t, item, word) for t, (item, word) in enumerate(words.items())]
    log = log_of([*rows, *(Row(1, t, 4, "up") for t in range(4))], num_items=6)
    cases = LeaveOneOut()(log).test
    scorer = vector_scorer(vectors, log, cases)
    scores_CxV = scorer.catalogue(np.arange(2), slice(0, log.num_items))
    expected_V = vectors @ (vectors[0] + vectors[2]) / 2
    expected_V[4] = -np.inf
    np.testing.assert_allclose(scores_CxV[0], expected_V, rtol=1e-5)
    np.testing.assert_array_equal(scores_CxV[1], np.where(np.arange(6) == 4, -np.inf, 0.0))
    items = np.array([[3, 0]], np.int32)
    np.testing.assert_array_equal(scorer.candidates(np.array([0]), items)[0], scores_CxV[0, [3, 0]])
