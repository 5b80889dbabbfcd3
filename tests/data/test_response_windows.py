"""Windows of logs: each reads what a listener's whole history says, and padding and the future change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import STYLES, small_log, small_world
from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.data.listening_history import RATES, Features, KnownItems, features, known_items, no_history, remember
from urep_jax.data.response_windows import ResponseWindows, asked_and_outcome, told_once, window_features
from urep_jax.simulation.satisfaction.logs import Log

WORLD, WINDOW = small_world(), 6
LOG = small_log(WORLD)
ITEMS = known_items(WORLD.items)._replace(brings_back=jnp.linspace(-1, 1, len(WORLD.items.style)))
VECTORS = np.asarray(WORLD.listeners.vector)
see = jax.jit(lambda history, asked, vector: features(history, asked, vector, ITEMS))
keep = jax.jit(lambda history, asked, outcome: remember(history, asked, outcome, ITEMS))
see_windows = jax.jit(lambda windows: window_features(windows, ITEMS))


def windows(log: Log, batch_size: int = 500) -> ResponseWindows:
    return ResponseWindows(log, VECTORS[log.listener], ITEMS, STYLES, WINDOW, batch_size, 0)


def seen_of(log: Log, user: int) -> dict[float, np.ndarray]:
    """What is seen at each of a listener's events, by when it was."""
    batch = jax.tree.map(jnp.asarray, windows(log)[0])
    found = see_windows(batch)
    where = np.asarray(told_once(batch) & (batch.vector == VECTORS[log.listener[user]]).all(1)[:, None])
    rows = np.concatenate([np.asarray(part)[where] for part in found], axis=1)
    return dict(zip(np.asarray(batch.asked.hours)[where].tolist(), rows, strict=True))


def test_each_event_is_told_once_and_sees_all_before_it() -> None:
    everything = windows(LOG)
    assert everything.steps_per_epoch == 1
    batch = jax.tree.map(jnp.asarray, everything[0])
    assert int(told_once(batch).sum()) == LOG.is_there.sum()
    asked, outcome = asked_and_outcome(LOG)
    user = int(np.argmax(LOG.is_there.sum(1)))
    seen, history = seen_of(LOG, user), no_history(ITEMS, STYLES)
    for place in range(int(LOG.is_there[user].sum())):
        one, came = jax.tree.map(lambda x, at=place: x[user, at], (asked, outcome))
        expected = np.concatenate([np.asarray(part) for part in see(history, one, VECTORS[user])])
        np.testing.assert_allclose(seen[float(one.hours)], expected, atol=1e-4)
        history = keep(history, one, came)


def test_neither_the_future_nor_padding_changes_what_is_seen() -> None:
    user, cut = int(np.argmax(LOG.is_there.sum(1))), 15
    padded = Log(*(x if x.ndim == 1 else np.pad(x, ((0, 0), (0, 9))) for x in LOG))
    other = LOG._replace(feedback=LOG.feedback.copy(), ratio=LOG.ratio.copy())
    other.feedback[:, cut:], other.ratio[:, cut:] = Feedback.DOWN, 0.0
    seen, with_padding, with_future = (seen_of(log, user) for log in (LOG, padded, other))
    assert seen.keys() == with_padding.keys()
    for place, (hours, row) in enumerate(sorted(seen.items())):
        np.testing.assert_array_equal(with_padding[hours], row)
        if place <= cut:
            np.testing.assert_array_equal(with_future[hours], row)
    assert np.abs(with_future[hours] - row).max() > 0


def test_rows_that_are_none_do_not_count() -> None:
    number = windows(LOG).epochs.number
    source = windows(LOG, number - 1)
    assert source[1].is_there.any(axis=1).tolist() == [True] + [False] * (number - 2)
    assert source.sequence_ids(1)[0] in {str(one) for one in LOG.listener}


def test_what_is_remembered_is_a_fading_mean() -> None:
    user = int(np.argmax(LOG.is_there.sum(1)))
    asked, outcome = (jax.tree.map(lambda x: x[user, :4], part) for part in asked_and_outcome(LOG))
    history = no_history(ITEMS, STYLES)
    for place in range(4):
        history = keep(history, *jax.tree.map(lambda x, at=place: x[at], (asked, outcome)))
    kind_4x4 = np.asarray(outcome.feedback)[:, None] == np.array(RESPONSES)
    for rate, kinds in zip(RATES, np.asarray(history.kinds), strict=True):
        np.testing.assert_allclose(kinds, (1 - rate) * rate ** np.arange(3, -1, -1) @ kind_4x4, rtol=1e-4, atol=1e-6)
    assert float(history.items) == 4
    assert float(history.sessions) == outcome.session_over.sum()


def test_a_window_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="window is 1, but must be at least 2; raise it"):
        ResponseWindows(LOG, VECTORS, ITEMS, STYLES, 1, 8, 0)


def test_features_are_what_a_service_sees() -> None:
    """Nothing hidden goes in: of the world they read the items that are known, and of listeners the vector."""
    assert Features._fields == ("listener", "item", "relation", "lasting")
    strange = WORLD._replace(hidden=jax.tree.map(lambda x: x + 1, WORLD.hidden))
    for one, other in zip(known_items(strange.items), known_items(WORLD.items), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not known_items(WORLD.items).brings_back.any()


def test_what_lasts_holds_no_content_but_how_soon_it_brings_back() -> None:
    user = int(np.argmax(LOG.is_there.sum(1)))
    asked, outcome = (jax.tree.map(lambda x: x[user, :5], part) for part in asked_and_outcome(LOG))

    def lasting(items: KnownItems) -> np.ndarray:
        history = no_history(items, STYLES)
        for place in range(4):
            history = remember(history, *jax.tree.map(lambda x, at=place: x[at], (asked, outcome)), items)
        return np.asarray(
            features(history, jax.tree.map(lambda x: x[4], asked), jnp.asarray(VECTORS[user]), items).lasting
        )

    told = lasting(ITEMS)
    np.testing.assert_array_equal(lasting(ITEMS._replace(numbers=ITEMS.numbers[::-1] - 1)), told)
    mean_J = np.zeros(len(RATES))
    for item, ratio in zip(np.asarray(asked.item)[:4], np.asarray(outcome.ratio), strict=False):
        stays_J = np.array(RATES) ** (np.log1p(ratio * ITEMS.minutes[item]) / np.log1p(4.0))
        mean_J = stays_J * mean_J + (1 - stays_J) * ITEMS.brings_back[item]
    np.testing.assert_allclose(told[-len(RATES) :], mean_J, rtol=1e-4)
    np.testing.assert_allclose(told[: -len(RATES)], lasting(known_items(WORLD.items))[: -len(RATES)], rtol=1e-6)
