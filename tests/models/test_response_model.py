"""The response model: its past knows nothing of its future, and places that are empty change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.core.types import Feedback
from urep_jax.data.listening_history import Features
from urep_jax.models import response_model
from urep_jax.models.response_model import DAYS, ResponseConfig, ReturnLine

CFG = ResponseConfig(listener=6, item=4, relation=3, width=8, hidden=8, blocks=2, window=6)
LINE = ReturnLine(jnp.linspace(-1, 1, 5 + 6), jnp.linspace(-3, 0, len(DAYS) - 1))
PARAMS = response_model.init(jax.random.key(0), CFG) | {"return": LINE}
KEYS = jax.random.split(jax.random.key(1), 4)
FEATURES = Features(*(jax.random.normal(key, (2, 6, width)) for key, width in zip(KEYS, (6, 4, 3, 5), strict=True)))
EVERYWHERE = jnp.ones((2, 6), bool)


def hidden(features: Features, is_there: jax.Array = EVERYWHERE) -> jax.Array:
    return response_model.encode(PARAMS, response_model.embed(PARAMS, features, CFG), is_there, CFG)


def test_changing_the_future_leaves_the_past_untouched() -> None:
    changed = Features(*(x.at[:, 4:].add(1.0) for x in FEATURES))
    before, after = hidden(FEATURES), hidden(changed)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before - after)[:, 4:].min(axis=(0, 1)).max() > 1e-3
    # The past, though, is read.
    earlier = Features(*(x.at[:, 0].add(1.0) for x in FEATURES))
    assert np.abs(hidden(earlier) - before)[:, 5].max() > 1e-4


def test_places_without_an_event_change_nothing_on_either_side() -> None:
    is_there = EVERYWHERE.at[:, :2].set(False)
    left = Features(*(x.at[:, :2].set(9.0) for x in FEATURES))
    whole = hidden(left, is_there)[:, 2:]
    alone = hidden(Features(*(x[:, 2:] for x in FEATURES)), EVERYWHERE[:, 2:])
    np.testing.assert_allclose(whole, alone, atol=1e-5)
    right = Features(*(jnp.roll(x, -2, axis=1) for x in left))
    np.testing.assert_allclose(hidden(right, jnp.roll(is_there, -2, axis=1))[:, :4], alone, atol=1e-5)


def test_heads_have_their_shapes_and_read_what_was_done() -> None:
    of = hidden(FEATURES)
    response = response_model.respond(PARAMS, of, CFG)
    assert response.feedback.shape == (2, 6, 4)
    assert response.log_power.shape == (2, 6)
    ratio, minutes = jnp.ones((2, 6)), jnp.full((2, 6), 4.0)

    def after(feedback: Feedback) -> response_model.After:
        done = response_model.done(jnp.full((2, 6), feedback), ratio, minutes)
        return response_model.follow(PARAMS, of, FEATURES.lasting, done, CFG)

    skipped, played = after(Feedback.SKIP), after(Feedback.PLAY)
    assert skipped.log_hazard.shape == (2, 6, len(CFG.days) - 1)
    assert np.abs(skipped.session_over - played.session_over).min() > 1e-6


def test_how_soon_a_listener_is_back_is_told_by_a_line_of_what_lasts_and_by_nothing_else() -> None:
    of = hidden(FEATURES)
    done = response_model.done(jnp.full((2, 6), Feedback.SKIP), jnp.full((2, 6), 0.5), jnp.full((2, 6), 4.0))
    told = response_model.follow(PARAMS, of, FEATURES.lasting, done, CFG).log_hazard
    done_6 = np.array([0, 0, 1, 0, 0.5, np.log(3)])
    level = np.asarray(FEATURES.lasting) @ np.asarray(LINE.slope[:5]) + done_6 @ np.asarray(LINE.slope[5:])
    np.testing.assert_allclose(told, level[..., None] + np.asarray(LINE.pieces), atol=1e-5)
    np.testing.assert_array_equal(response_model.follow(PARAMS, of + 1, FEATURES.lasting, done, CFG).log_hazard, told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"width": 0}, "width is 0, but must be at least 1; raise it"),
        ({"blocks": -1}, "blocks is -1, but must be at least 0; raise it"),
        ({"heads": 3}, "width is 16, but must be a multiple of heads, 3; change one of them"),
        ({"days": (0.0, 2.0, 1.0)}, "must rise from 0"),
        ({"days": (1.0, 2.0)}, "must rise from 0"),
        ({"days": (0.0,)}, "must rise from 0"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ResponseConfig(**({"listener": 1, "item": 1, "relation": 1} | change))  # type: ignore[arg-type]
