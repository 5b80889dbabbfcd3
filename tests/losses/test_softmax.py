"""Softmax losses against optax, and the sampled one against what it estimates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from urep_jax.losses.softmax import full_softmax, sampled_softmax

RNG = np.random.default_rng(0)


def test_full_softmax_is_cross_entropy_with_its_gradient() -> None:
    hidden, items = jnp.array(RNG.normal(size=(7, 4))), jnp.array(RNG.normal(size=(9, 4)))
    target = jnp.array(RNG.integers(0, 9, 7))

    def reference(hidden: jax.Array, items: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(hidden @ items.T, target)

    np.testing.assert_allclose(full_softmax(hidden, items, target), reference(hidden, items), rtol=1e-5)
    ours = jax.grad(lambda h, e: full_softmax(h, e, target).sum(), (0, 1))(hidden, items)
    theirs = jax.grad(lambda h, e: reference(h, e).sum(), (0, 1))(hidden, items)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)


def test_all_items_as_candidates_give_the_full_softmax() -> None:
    scores = RNG.normal(size=(5, 8))
    target = np.arange(5)
    others = np.array([np.delete(row, t) for row, t in zip(scores, target, strict=True)])
    loss = sampled_softmax(jnp.array(scores[np.arange(5), target]), jnp.array(others), jnp.zeros((5, 7)))
    expected = optax.softmax_cross_entropy_with_integer_labels(jnp.array(scores), jnp.array(target))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_the_corrected_sum_is_unbiased_under_any_sampling() -> None:
    V, K, target = 6, 4, 2
    scores, q = RNG.normal(size=V), np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    ids = RNG.choice(V, size=(200_000, K), p=q)
    loss = sampled_softmax(
        jnp.full(len(ids), scores[target]),
        jnp.array(scores[ids]),
        jnp.array(np.log(K * q[ids])),
        where=jnp.array(ids != target),
    )
    partition = np.exp(np.asarray(loss, np.float64) + scores[target])
    error = partition.std() / np.sqrt(len(ids))
    assert abs(partition.mean() - np.exp(scores).sum()) < 4 * error


def test_a_candidate_that_does_not_count_changes_nothing() -> None:
    negatives = jnp.array(RNG.normal(size=(3, 4)))
    where = jnp.array([True, True, False, True])
    loss = sampled_softmax(jnp.zeros(3), negatives, jnp.zeros((3, 4)), where=jnp.broadcast_to(where, (3, 4)))
    fewer = sampled_softmax(jnp.zeros(3), negatives[:, where], jnp.zeros((3, 3)))
    np.testing.assert_allclose(loss, fewer, rtol=1e-6)
