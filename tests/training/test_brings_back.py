"""How soon items bring back: where half of the items bring listeners back it is learnt which, however far they lie."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import STYLES
from urep_jax.core.types import Feedback
from urep_jax.data.listening_history import KnownItems, outlasting
from urep_jax.data.response_windows import ResponseWindows
from urep_jax.models.response_model import DAYS, ReturnLine
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.training.brings_back import learn_returns

USERS, EVENTS, ITEMS, WIDTH, SESSION, MINUTES = 400, 160, 90, 3, 4, 4.0
CONTENT = np.random.default_rng(0).normal(size=(ITEMS, WIDTH)).astype(np.float32)
BRINGS = np.sign(CONTENT[:, 0])
KNOWN = KnownItems(
    jnp.asarray(CONTENT), jnp.arange(ITEMS) % STYLES, jnp.full(ITEMS, MINUTES), jnp.zeros(ITEMS, jnp.float32)
)


def heard_whole(slope: float) -> Log:
    """Listeners who hear all that they are offered, four items a session, each of them more of one kind for a while.

    The hazard of coming back is `exp(slope m)` a day, m the mean at rate .95 of which items bring back.
    """
    rng, shape = np.random.default_rng(1), (USERS, EVENTS)
    leaning = np.repeat(rng.normal(size=(USERS, EVENTS // 40)), 40, axis=1)
    weight = np.exp(0.7 * leaning[..., None] * CONTENT[:, 0])
    item = (weight.cumsum(-1) > rng.uniform(size=(*shape, 1)) * weight.sum(-1, keepdims=True)).argmax(-1)
    stays, mean, means = np.asarray(outlasting(jnp.float32(MINUTES)))[1], np.zeros(USERS), []
    for place in range(EVENTS):
        mean = stays * mean + (1 - stays) * BRINGS[item[:, place]]
        means.append(mean)
    over = np.tile(np.arange(EVENTS) % SESSION == SESSION - 1, (USERS, 1))
    away = np.where(over, rng.exponential(np.exp(-slope * np.stack(means, 1))), 0.0)
    passed = np.cumsum(MINUTES / 60 + 24 * away, axis=1)
    zeros = np.zeros(shape, np.float32)
    return Log(
        listener=np.arange(USERS, dtype=np.int32),
        is_there=np.ones(shape, bool),
        item=item.astype(np.int32),
        feedback=np.full(shape, Feedback.PLAY, np.int32),
        ratio=np.ones(shape, np.float32),
        began=np.pad(passed[:, :-1], ((0, 0), (1, 0))).astype(np.float32),
        hours=(passed - 24 * away).astype(np.float32),
        hour=zeros,
        device=zeros.astype(np.int32),
        place=np.tile(np.arange(EVENTS, dtype=np.int32) % SESSION, (USERS, 1)),
        days_since=zeros,
        heard=zeros,
        pool=zeros.astype(np.int32),
        session_over=over,
        came_back=over,
        days_away=away.astype(np.float32),
        probability=zeros,
    )


def learnt(slope: float) -> tuple[KnownItems, ReturnLine]:
    log = heard_whole(slope)
    windows = ResponseWindows(log, np.zeros((USERS, 1), np.float32), KNOWN, STYLES, 8, 256, 0)
    return learn_returns(log, windows, KNOWN, DAYS)


def test_it_learns_which_items_bring_back_and_how_soon_however_far_they_lie() -> None:
    known, line = learnt(1.5)
    number = np.asarray(known.brings_back)
    assert np.corrcoef(number, BRINGS)[0, 1] > 0.9
    # Three parts of the catalogue, from those that lie next to the others to the furthest.
    for low, high in ((0.5, 1.0), (1.0, 1.5), (1.5, np.inf)):
        of = number[(CONTENT[:, 0] > low) & (CONTENT[:, 0] < high)]
        assert of.mean() == pytest.approx(1.5, abs=0.5)
    # The mean that brought back is that at rate .95; nothing else is of a diet.
    *_, first, middle, last = np.asarray(line.slope)[:-6]
    assert middle > 0.8 > first + last
    np.testing.assert_array_equal(known.numbers, KNOWN.numbers)


def test_what_keeps_listeners_away_is_below_nothing() -> None:
    assert np.corrcoef(np.asarray(learnt(-1.5)[0].brings_back), BRINGS)[0, 1] < -0.9


def test_where_items_bring_nobody_back_nothing_of_it_is_found() -> None:
    known, line = learnt(0.0)
    assert np.abs(np.asarray(known.brings_back)).max() < 0.3
    # All are back by chance alone, once a day in the mean.
    seen = jnp.concatenate([jnp.zeros(len(line.slope) - 6), jnp.array([1.0, 0, 0, 0, 1, np.log(5)])])
    assert float(seen @ line.slope + line.pieces[0]) == pytest.approx(0, abs=0.5)


def test_a_log_in_which_nobody_comes_back_is_refused() -> None:
    log = heard_whole(0.0)
    log = log._replace(came_back=np.zeros_like(log.came_back))
    windows = ResponseWindows(log, np.zeros((USERS, 1), np.float32), KNOWN, STYLES, 8, 256, 0)
    with pytest.raises(
        ValueError, match=f"of {USERS * EVENTS // SESSION} sessions that end in the log nobody came back"
    ):
        learn_returns(log, windows, KNOWN, DAYS)
