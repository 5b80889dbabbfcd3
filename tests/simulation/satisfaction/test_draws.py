"""Numbers for each purpose, against the distributions that they are said to have."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from urep_jax.simulation.satisfaction.draws import Draws, category, draw, exponential, gumbel, normal, whole

COUNT = 20_000


@pytest.fixture(scope="module")
def drawn() -> Draws:
    """Many draws of a slate of three and two dimensions."""
    return jax.vmap(lambda key: draw(key, 3, 2))(jax.random.split(jax.random.key(0), COUNT))


def test_all_numbers_are_uniform_and_have_nothing_to_do_with_each_other(drawn: Draws) -> None:
    columns = np.concatenate([np.asarray(x).reshape(COUNT, -1) for x in drawn], axis=1)
    assert columns.shape[1] == 3 + 2 + 13
    assert ((columns > 0) & (columns < 1)).all()
    for column in columns.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    correlations = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlations).max() < 5 / COUNT**0.5


def test_numbers_follow_the_distributions_that_they_are_made_for(drawn: Draws) -> None:
    assert stats.kstest(np.asarray(normal(drawn.exposure)), "norm").pvalue > 1e-4
    assert stats.kstest(np.asarray(exponential(drawn.away)), "expon").pvalue > 1e-4
    assert stats.kstest(np.asarray(gumbel(drawn.choice[:, 0])), "gumbel_r").pvalue > 1e-4
    counts = np.bincount(np.asarray(whole(drawn.pool, 7)), minlength=7)
    assert stats.chisquare(counts).pvalue > 1e-4
    logits = jnp.array([0.0, -2.0, 1.0, -jnp.inf])
    counts = np.bincount(np.asarray(jax.vmap(lambda u: category(u, logits))(drawn.intent)), minlength=4)
    share = np.exp(np.array([0.0, -2.0, 1.0]))
    assert counts[3] == 0
    assert stats.chisquare(counts[:3], COUNT * share / share.sum()).pvalue > 1e-4


def test_the_ends_of_the_line_make_numbers_that_can_be_used() -> None:
    ends = jnp.array([2.0**-24, 1 - 2.0**-24])
    for made in (normal, exponential, gumbel):
        assert bool(jnp.isfinite(made(ends)).all()), made.__name__
    np.testing.assert_array_equal(whole(ends, 5), [0, 4])
    np.testing.assert_array_equal([category(u, jnp.zeros(3)) for u in ends], [0, 2])
