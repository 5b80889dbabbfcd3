"""The network that scores candidates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.models import candidate_scorer
from urep_jax.models.candidate_scorer import CandidateScorerConfig, Scores

CFG = CandidateScorerConfig(width=4, hidden=8)


def test_scores_are_of_pairs_so_that_the_catalogue_may_change() -> None:
    keys = jax.random.split(jax.random.key(0), 4)
    params = candidate_scorer.init(keys[0], CFG, listener=5, items=3, weights=(0.0, 2.0))
    listener_BxX, items_VxF = jax.random.normal(keys[1], (2, 5)), jax.random.normal(keys[2], (7, 3))
    relations_BxVxM = jax.random.normal(keys[3], (2, 7, 2))
    vectors_VxW = candidate_scorer.item_vectors(params, items_VxF, CFG)

    def scored(at: jax.Array) -> Scores:
        return jax.vmap(lambda x, relations: candidate_scorer.apply(params, x, vectors_VxW, at, relations[at], CFG))(
            listener_BxX, relations_BxVxM
        )

    whole = scored(jnp.arange(7))
    assert whole.candidates.shape == (2, 7)
    assert whole.value.shape == (2,)
    order = jnp.array([6, 2, 0])
    some = scored(order)
    np.testing.assert_allclose(some.candidates, whole.candidates[:, order], rtol=1e-5)
    np.testing.assert_allclose(some.value, whole.value)


def test_scores_begin_with_the_weights_that_are_given() -> None:
    key = jax.random.key(0)
    params = candidate_scorer.init(key, CFG, listener=5, items=3, weights=(0.0, 50.0))
    relations_NxM = jax.random.normal(key, (9, 2))
    vectors_NxW = candidate_scorer.item_vectors(params, jnp.zeros((9, 3)), CFG)
    found = candidate_scorer.apply(params, jax.random.normal(key, (5,)), vectors_NxW, jnp.arange(9), relations_NxM, CFG)
    np.testing.assert_array_equal(jnp.argsort(found.candidates), jnp.argsort(relations_NxM[:, 1]))


@pytest.mark.parametrize("name", ["width", "hidden"])
def test_a_size_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0, but must be at least 1; raise it"):
        CandidateScorerConfig(**{name: 0})
