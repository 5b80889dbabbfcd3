"""What is commonly taken for satisfaction, and the last session, against plain loops over a log."""

import numpy as np

from tests.agents.small_world import small_log, small_world
from urep_jax.baselines.present_satisfaction import minutes_of_a_week, ups_less_skips
from urep_jax.baselines.wanted_later import last_session
from urep_jax.core.types import LISTENED, Feedback

WORLD = small_world()
LOG = small_log(WORLD)
MINUTES = np.asarray(WORLD.items.minutes)
SIGN = {Feedback.UP: 1, Feedback.PLAY: 0, Feedback.SKIP: -1, Feedback.DOWN: -1}


def test_against_plain_loops() -> None:
    signs, minutes = ups_less_skips(LOG), minutes_of_a_week(LOG, MINUTES)
    content = np.asarray(WORLD.items.content)
    row, event = np.nonzero(LOG.is_there)
    last = last_session(LOG, content, row, event + 1)
    for number, (user, now) in enumerate(zip(row, event, strict=True)):
        session = range(now - LOG.place[user, now], now + 1)
        expected = sum(SIGN[Feedback(LOG.feedback[user, n])] for n in session) / len(session)
        np.testing.assert_allclose(signs[user, now], expected, atol=1e-6)
        since = LOG.hours[user, now] - 168
        week = [n for n in range(now + 1) if LOG.hours[user, n] > since]
        expected = sum(LOG.ratio[user, n] * MINUTES[LOG.item[user, n]] for n in week)
        np.testing.assert_allclose(minutes[user, now], expected, rtol=1e-4)
        wanted = sum((1 if LOG.feedback[user, n] in LISTENED else -1) * content[LOG.item[user, n]] for n in session)
        np.testing.assert_allclose(last[number], wanted, atol=1e-4)
    assert LOG.hours[LOG.is_there].max() > 168, "or no week is over"
