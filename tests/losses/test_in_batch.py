"""The in-batch softmax by its formula."""

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.losses.in_batch import in_batch_softmax


def test_it_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    scores, log_q = rng.normal(size=(2, 4, 4)), np.log(rng.dirichlet(np.ones(4), 2))
    item = np.array([[5, 6, 5, 7], [1, 2, 3, 4]])
    where = np.array([[True, True, True, True], [True, False, True, True]])
    found = in_batch_softmax(*map(jnp.asarray, (scores, item, log_q)), where=jnp.asarray(where))
    for b in range(2):
        for i in range(4):
            if not where[b, i]:
                assert found[b, i] == 0
                continue
            rivals = [j for j in range(4) if j == i or (where[b, j] and item[b, j] != item[b, i])]
            corrected = scores[b, i] - log_q[b]
            expected = -corrected[i] + np.log(sum(np.exp(corrected[j]) for j in rivals))
            np.testing.assert_allclose(found[b, i], expected, rtol=1e-5)


def test_with_all_items_once_and_their_shares_it_is_the_full_softmax_of_a_uniform_catalogue() -> None:
    scores = jax.random.normal(jax.random.key(0), (1, 6, 6))
    found = in_batch_softmax(scores, jnp.arange(6)[None], jnp.full((1, 6), -np.log(6.0)), where=jnp.ones((1, 6), bool))
    np.testing.assert_allclose(found[0], -jnp.diagonal(jax.nn.log_softmax(scores[0], axis=-1)), rtol=1e-5)


def test_what_does_not_count_has_no_gradient() -> None:
    def total(scores: jax.Array) -> jax.Array:
        where = jnp.array([[True, True, False]])
        return in_batch_softmax(scores, jnp.array([[1, 2, 3]]), jnp.zeros((1, 3)), where=where).sum()

    gradient = jax.grad(total)(jnp.ones((1, 3, 3)))
    assert np.isfinite(gradient).all()
    assert not gradient[0, 2].any()
    assert not gradient[0, :, 2].any()
