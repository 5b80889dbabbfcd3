"""Spectral vectors against a dense decomposition, and on listeners who fall into two camps."""

import numpy as np
import pytest

from tests.data.test_sequences import whole
from tests.logs import Row, log_of
from tests.training.tiny import tiny_log
from urep_jax.baselines.spectral import spectral_vectors
from urep_jax.core.types import Feedback


def test_they_are_those_of_a_dense_decomposition_but_for_a_turn() -> None:
    log = tiny_log()
    matrix = np.zeros((log.num_sequences, log.num_items))
    sequence = np.repeat(np.arange(log.num_sequences), np.diff(log.offsets))
    is_up = log.feedback == Feedback.UP
    matrix[sequence[is_up], log.item[is_up]] = 1
    by_user, by_item = (np.sqrt(np.maximum(matrix.sum(axis), 1)) for axis in (1, 0))
    _, size, right = np.linalg.svd(matrix / by_user[:, None] / by_item)
    expected = right[1:6].T * np.sqrt(size[1:6])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = spectral_vectors(log, whole(log), 5)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)
    np.testing.assert_array_equal(found, spectral_vectors(log, whole(log), 5))
    other = spectral_vectors(log, whole(log), 5, seed=1)
    np.testing.assert_allclose(other @ other.T, expected @ expected.T, atol=1e-5)


def test_items_of_one_camp_point_the_same_way_and_downs_say_nothing() -> None:
    rng = np.random.default_rng(0)
    events = []
    for user in range(40):
        own = 6 * (user % 2) + rng.permutation(6)[:4]
        events += [Row(user, i, int(item), "up") for i, item in enumerate(own)]
        # Everybody is down for the other camp's items, and for one that nobody is up for.
        events += [Row(user, 10 + i, int((item + 6) % 12), "down") for i, item in enumerate(own)]
        events.append(Row(user, 20, 12, "down"))
    # One who likes all keeps the camps from being two worlds, of which neither is the first component.
    events += [Row(40, i, i, "up") for i in range(12)]
    log = log_of(events, num_items=13)
    cosine = (lambda v: v @ v.T)(spectral_vectors(log, whole(log), 1))
    np.testing.assert_allclose(np.abs(cosine[:12, :12]), 1, atol=1e-5)
    assert (cosine[:6, :6] > 0).all()
    assert (cosine[:6, 6:12] < 0).all()
    assert not cosine[12].any()


@pytest.mark.parametrize("width", [0, 29])
def test_a_width_that_cannot_be_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"width is {width}, but must be from 1 to 28: training has 40 seq"):
        spectral_vectors(tiny_log(), whole(tiny_log()), width)
