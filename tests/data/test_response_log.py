"""Real logs as the response model reads them: what a simulated world wrote of itself comes back, and a log by hand."""

import numpy as np
import pyarrow as pa
import pytest

from tests.agents.small_world import ITEMS, PARAMS, small_log, small_world
from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.listening_history import NO_DEVICE
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of
from urep_jax.data.response_log import response_log
from urep_jax.simulation.satisfaction.logs import event_table
from urep_jax.simulation.streaming.params import DEVICES

WORLD = small_world()
LOG = small_log(WORLD)
MINUTES = np.asarray(WORLD.items.minutes)
REPEAT_DAYS = float(PARAMS.repeat_days)


def as_event_log() -> EventLog:
    """The simulated log as anybody's logs come."""
    table = event_table(LOG)
    codes = {feedback.word: int(feedback) for feedback in Feedback}
    return EventLog(
        name="simulated",
        granularity="user",
        offsets=offsets_of(LOG.is_there.sum(1)),
        item=table["item_id"].astype(np.int32),
        timestamp=table["timestamp"],
        feedback=np.array([codes[word] for word in table["feedback"]], np.int8),
        sequence_ids=pa.array([str(one) for one in LOG.listener]),
        item_ids=pa.array([str(one) for one in range(ITEMS)]),
        device=np.array([DEVICES.index(name) for name in table["device"]], np.int16),
        device_ids=pa.array(DEVICES),
        played_ratio=table["played_ratio"],
        utc_offset=table["utc_offset"].astype(np.int32),
    )


def test_a_simulated_log_comes_back() -> None:
    users = np.array([3, 0, 7])
    back, rows = response_log(as_event_log(), users, MINUTES, 1_000, REPEAT_DAYS), LOG.listener[users]
    count_U = LOG.is_there[users].sum(1)
    np.testing.assert_array_equal(back.listener, rows)
    np.testing.assert_array_equal(back.is_there.sum(1), count_U)
    second = 1.5 / SECONDS_PER_DAY
    for row, (user, count) in enumerate(zip(users, count_U, strict=True)):
        there = slice(0, count)
        for name in ("item", "feedback", "ratio", "place", "device"):
            np.testing.assert_array_equal(getattr(back, name)[row, there], getattr(LOG, name)[user, there], name)
        for name in ("days_since", "heard"):
            np.testing.assert_allclose(getattr(back, name)[row, there], getattr(LOG, name)[user, there], atol=second)
        first = LOG.began[user, 0]
        for name in ("began", "hours"):
            of = getattr(LOG, name)[user, there] - first
            np.testing.assert_allclose(getattr(back, name)[row, there] - back.began[row, 0], of, atol=24 * second)
        np.testing.assert_allclose(back.hour[row, there], LOG.hour[user, there], atol=0.13)
        # Whether the last session is over at the last event, a log doesn't tell.
        there = slice(0, count - 1)
        for name in ("session_over", "came_back"):
            np.testing.assert_array_equal(getattr(back, name)[row, there], getattr(LOG, name)[user, there], name)
        np.testing.assert_allclose(back.days_away[row, there], LOG.days_away[user, there], atol=second)
    assert (back.session_over & back.came_back).any()
    assert back.heard.max() > 1, "something was heard again"


def by_hand(**columns: object) -> EventLog:
    """Two users; the first has three sessions, of which the second is one item after ten minutes and another."""
    day = SECONDS_PER_DAY
    told: dict[str, object] = {
        "name": "by hand",
        "granularity": "user",
        "offsets": np.array([0, 4, 5]),
        "item": np.array([0, 1, 0, 0, 1], np.int32),
        "timestamp": np.array([0, day, day + 600, 4 * day, 10 * day]),
        "feedback": np.array([Feedback.UP, Feedback.DOWN, Feedback.PLAY, Feedback.UP, Feedback.UP], np.int8),
        "sequence_ids": pa.array(["a", "b"]),
        "item_ids": pa.array(["x", "y"]),
    }
    return EventLog(**{**told, **columns})  # type: ignore[arg-type]


def test_what_a_log_is_silent_of() -> None:
    of = response_log(by_hand(), np.array([0, 1]), np.full(2, 6.0, np.float32), 10, 2.0)
    assert of.is_there.sum(1).tolist() == [4, 1]
    assert (of.ratio[of.is_there] == 1).all()
    assert (of.device == NO_DEVICE).all()
    assert np.isnan(of.probability).all()
    assert of.session_over[0].tolist() == [True, False, True, True]
    assert of.came_back[0].tolist() == [True, False, True, False]
    assert of.place[0].tolist() == [0, 0, 1, 0]
    item = 6 / 60 / 24
    np.testing.assert_allclose(of.days_away[0], [1 - item, 0, 3 - 600 / SECONDS_PER_DAY - item, 6 - item], rtol=1e-5)
    np.testing.assert_allclose(of.days_since[0], [0, 1 - item, 1 - item, of.days_away[0, 2]], rtol=1e-5)
    gap = 1 + 600 / SECONDS_PER_DAY
    once = 2.0 ** (-gap / 2)
    np.testing.assert_allclose(of.heard[0], [0, 0, once, (once + 1) * 2.0 ** (-(4 - gap) / 2)], rtol=1e-5)


def test_a_cut_history_ends_as_it_went_on() -> None:
    whole = response_log(by_hand(), np.array([0]), np.ones(2, np.float32), 10, 2.0)
    cut = response_log(by_hand(), np.array([0]), np.ones(2, np.float32), 3, 2.0)
    for name, column in cut._asdict().items():
        if column.ndim == 2:
            np.testing.assert_array_equal(column, getattr(whole, name)[:, :3], name)


def test_devices_go_by_their_names() -> None:
    devices = np.array([1, 0, -1, 1, 1], np.int16)
    log = by_hand(device=devices, device_ids=pa.array(["toaster", DEVICES[2]]))
    of = response_log(log, np.array([0]), np.ones(2, np.float32), 10, 2.0)
    assert of.device[0].tolist() == [2, NO_DEVICE, NO_DEVICE, 2]


def test_shares_that_are_missing_count_as_whole() -> None:
    log = by_hand(played_ratio=np.array([np.nan, 0.25, 1.5, 0.5, 1.0], np.float32))
    of = response_log(log, np.array([0]), np.ones(2, np.float32), 10, 2.0)
    assert of.ratio[0].tolist() == [1.0, 0.25, 1.0, 0.5]


def test_what_is_wrong_is_told() -> None:
    with pytest.raises(ValueError, match="most_events is 0, but must be at least 1"):
        response_log(by_hand(), np.array([0]), np.ones(2, np.float32), 0, 2.0)
    silent = by_hand(offsets=np.array([0, 5, 5]))
    with pytest.raises(ValueError, match="user b has no event"):
        response_log(silent, np.array([0, 1]), np.ones(2, np.float32), 10, 2.0)
