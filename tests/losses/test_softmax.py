"""The sampled softmax against optax, and against what it estimates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from urep_jax.losses.softmax import sampled_softmax

RNG = np.random.default_rng(0)


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


def test_a_hard_negative_is_a_candidate_that_is_certain() -> None:
    negatives, hard = jnp.array(RNG.normal(size=(3, 4))), jnp.array([0.3, -jnp.inf, 20.0])
    log_expected = jnp.array(RNG.normal(size=(3, 4)))
    beside = jnp.concatenate([negatives, hard[:, None]], axis=1)
    certain = jnp.concatenate([log_expected, jnp.zeros((3, 1))], axis=1)
    loss = sampled_softmax(jnp.zeros(3), negatives, log_expected, hard=hard)
    np.testing.assert_allclose(loss, sampled_softmax(jnp.zeros(3), beside, certain), rtol=1e-6)


def test_nothing_to_set_against_the_target_is_no_loss_and_no_gradient() -> None:
    def loss(positive: jax.Array, negatives: jax.Array, hard: jax.Array) -> jax.Array:
        hard = jnp.where(False, hard, -jnp.inf)
        where = jnp.zeros((2, 3), bool)
        return sampled_softmax(positive, negatives, jnp.zeros((2, 3)), where=where, hard=hard).sum()

    value, gradients = jax.value_and_grad(loss, (0, 1, 2))(jnp.ones(2), jnp.ones((2, 3)), jnp.ones(2))
    assert value == 0
    jax.tree.map(lambda g: np.testing.assert_array_equal(g, 0.0), gradients)
