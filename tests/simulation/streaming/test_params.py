"""Parameters refuse what makes no sense, and say what to do."""

import dataclasses
import re

import pytest

from tests.simulation.streaming.worlds import SMALL
from urep_jax.simulation.streaming import StreamingParams


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_users": 0}, "num_users is 0, but must lie between 1"),
        ({"response": 1.5}, "response is 1.5, but must lie between 0 and 1"),
        ({"session_length": float("nan")}, "session_length is nan"),
        ({"library_fading": 1.0}, "library_fading is 1.0, but must lie between 0 and 0.99"),
        ({"genre_share": 0.9}, "genre_share + artist_share is 1.18"),
        ({"country_share": 0.95}, "country_share + age_share is 1.07"),
        ({"onboarding_both": 0.9}, "onboarding_both + onboarding_artists + onboarding_languages is 1.25"),
        ({"num_artists": 4}, "num_artists is 4, but a new user picks up to 5"),
    ],
)
def test_errors_name_the_value_and_the_rule(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(SMALL, **change)


@pytest.mark.usefixtures("unchecked")
def test_every_number_has_a_range():
    """Whatever is set to a number that is none is refused, so that no field was forgotten."""
    for field in dataclasses.fields(StreamingParams):
        if not isinstance(field.default, bool):
            with pytest.raises(ValueError, match=f"{field.name} is nan"):
                dataclasses.replace(SMALL, **{field.name: float("nan")})
