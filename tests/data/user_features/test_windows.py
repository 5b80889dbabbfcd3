"""Where a user's events stop that were before a moment, at the moments of events themselves."""

import numpy as np

from tests.data.user_features.listeners import log_of
from urep_jax.data.user_features.windows import events_before


def test_an_event_is_not_before_its_own_moment() -> None:
    log = log_of(0)
    user = np.repeat(np.arange(log.num_sequences), np.diff(log.offsets))
    for later in (-1, 0, 1):
        time = np.asarray(log.timestamp) + later
        expected = [
            log.offsets[u] + np.sum(log.timestamp[log.offsets[u] : log.offsets[u + 1]] < t)
            for u, t in zip(user, time, strict=True)
        ]
        np.testing.assert_array_equal(events_before(log, user, time), expected)


def test_of_who_did_nothing_there_is_nothing() -> None:
    log = log_of(0)
    assert log.offsets[1] == 0
    np.testing.assert_array_equal(events_before(log, np.array([0, 0]), np.array([0, 10**12])), 0)
