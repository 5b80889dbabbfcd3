"""The skip-gram model's parameters, and the vectors that others get."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.data.vocabulary import FIRST_ITEM, UNKNOWN
from urep_jax.models import skip_gram
from urep_jax.models.skip_gram import SkipGramConfig


def test_it_starts_as_word2vec_does() -> None:
    params = skip_gram.init(jax.random.key(0), SkipGramConfig(num_items=500))
    items = np.asarray(params["tables"]["item"])
    assert items.shape == params["tables"]["context"].shape == (FIRST_ITEM + 500, 80), "80 numbers, as in the paper"
    assert not items[:FIRST_ITEM].any()
    assert not params["tables"]["context"].any()
    assert 0.9 * 0.5 / 80 < np.abs(items).max() <= 0.5 / 80
    assert items.std() == pytest.approx(1 / 80 / np.sqrt(12), rel=0.02)


def test_vectors_have_length_one_or_none() -> None:
    params = skip_gram.init(jax.random.key(0), SkipGramConfig(num_items=6, width=3))
    rows = np.array([UNKNOWN, FIRST_ITEM + 2, FIRST_ITEM])
    vectors = skip_gram.item_vectors(params, rows)
    assert not vectors[0].any()
    items = np.asarray(params["tables"]["item"])[rows[1:]]
    np.testing.assert_allclose(vectors[1:], items / np.linalg.norm(items, axis=1)[:, None], rtol=1e-6)


def test_scores_are_dot_products() -> None:
    rng = np.random.default_rng(0)
    centre_BxMxD, context_BxNxD = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))
    scores = skip_gram.score(jnp.array(centre_BxMxD), jnp.array(context_BxNxD))
    np.testing.assert_allclose(scores[1, 2, 4], centre_BxMxD[1, 2] @ context_BxNxD[1, 4], rtol=1e-5)


def test_sizes_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="width is 0, but must be at least 1"):
        SkipGramConfig(num_items=3, width=0)
