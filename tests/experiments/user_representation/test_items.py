"""What downstream models read of items and artists."""

import numpy as np
import pytest

from experiments.user_representation.items import Items, side_by_side
from urep_jax.data.plays_over_time import PlaysOverTime
from urep_jax.data.user_features.modality import Aligned

WEEK = 7 * 86_400
PLAYS = PlaysOverTime(np.array([0, WEEK]), np.array([[0, 0, 0], [1, 7, 0]]))
VECTORS = np.array([[3.0, 0.0], [1.0, 2.0], [0.0, 0.0]], np.float32)
KNOWN = np.array([True, True, False])


@pytest.fixture
def items() -> Items:
    return side_by_side((Aligned("sound", VECTORS, KNOWN),), PLAYS)


def test_later_plays_are_not_read(items: Items) -> None:
    early, late = items.at(WEEK - 1), items.at(WEEK)
    np.testing.assert_array_equal(early[:, :3], late[:, :3])
    # Before anything was played all items are alike in it.
    assert np.ptp(early[:, 3:], axis=0).max() == 0
    np.testing.assert_allclose(late[:, 3:].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(late[:, 3:].std(axis=0), 1, rtol=1e-6)


def test_each_row_has_its_own_time(items: Items) -> None:
    asked = items.asked(np.array([WEEK, 0]))
    found = asked(np.array([0, 1, 0]), np.array([1, 1, 2]))
    np.testing.assert_array_equal(found, [items.at(WEEK)[1], items.at(0)[1], items.at(WEEK)[2]])
    assert found.shape[1] == items.width == items.at(0).shape[1]


def test_artists_have_the_mean_of_their_items_and_all_their_plays(items: Items) -> None:
    artists = items.by(np.array([1, 1, 1]), 3)
    np.testing.assert_allclose(artists.vectors[1], items.vectors[:2].mean(axis=0))
    np.testing.assert_array_equal(artists.vectors[[0, 2]], 0)
    np.testing.assert_array_equal(artists.known, [False, True, False])
    np.testing.assert_array_equal(artists.plays.plays, [[0, 0, 0], [0, 8, 0]])
