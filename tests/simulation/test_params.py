"""Parameters refuse what makes no sense, and say what to do."""

import dataclasses
import re

import pytest

from tests.simulation.worlds import SMALL
from urep_jax.simulation import Habit, RadioParams


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_listeners": 0}, "num_listeners is 0, but must lie between 1"),
        ({"response": 1.5}, "response is 1.5, but must lie between 0 and 1"),
        ({"skip_aversion": -0.1}, "skip_aversion is -0.1"),
        ({"session_length": float("nan")}, "session_length is nan"),
        ({"station_size": 201}, "station_size is 201 with 200 tracks"),
        ({"stations_per_listener": 11}, "stations_per_listener is 11 with 10 stations"),
        ({"num_stations": 3}, "num_stations is 3 with 4 genres"),
        ({"genre_share": 0.9}, "genre_share + artist_share is 1.18"),
        ({"habits": (Habit("half", 0.5, 0.0, 0.0, 0.0),)}, "the shares of habits add up to 0.5"),
    ],
)
def test_errors_name_the_value_and_the_rule(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(SMALL, **change)


def test_defaults_are_valid_and_hashable():
    assert hash(RadioParams()) == hash(RadioParams())
