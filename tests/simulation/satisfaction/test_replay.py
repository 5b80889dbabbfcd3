"""Listeners' weeks written a second time: in NumPy, from what happened, one event after another."""

import dataclasses

import jax
import numpy as np

from tests.simulation.satisfaction.worlds import DEFAULT, NUM_ITEMS, NUM_STYLES, walked, world
from urep_jax.core.types import Feedback

QUIET = dataclasses.replace(DEFAULT, innovation=0.0, leave=0.0, weeks=1000.0)
"""Nothing is drawn of what is hidden, and nobody leaves: what happened tells all."""


def test_what_is_hidden_follows_from_what_happened():
    walk, taken = walked(jax.random.key(5), world(), QUIET)
    items, listeners = jax.tree.map(np.asarray, (world().items, world().listeners))
    nourishment = np.asarray(world().hidden.nourishment, np.float64)
    info, kept = jax.tree.map(np.asarray, (taken.info, taken.kept))
    assert np.asarray(taken.is_there).all()
    for who in (0, 17, 59):
        exposure, patience, place, hours = 0.0, 1.0, 0, 0.0
        tired, times, past = np.zeros(NUM_STYLES), np.zeros(NUM_ITEMS), []
        impatience = QUIET.impatience / listeners.patience[who]
        for t in range(len(info.item)):
            before = jax.tree.map(lambda x, at=(t, who): x[at], kept)
            np.testing.assert_allclose(before.exposure, exposure, atol=2e-4)
            np.testing.assert_allclose(before.satiation, tired, atol=2e-4)
            np.testing.assert_allclose(before.times, times, atol=2e-3)
            np.testing.assert_allclose(before.patience, patience, atol=2e-4)
            np.testing.assert_allclose(before.hours, hours, rtol=1e-4)
            assert before.place == place
            latest = past[-24:]
            np.testing.assert_array_equal(before.recent.item, [-1] * (24 - len(latest)) + latest)

            item, ratio, feedback = info.item[t, who], float(info.ratio[t, who]), info.feedback[t, who]
            left = feedback in (Feedback.SKIP, Feedback.DOWN)
            share = ratio * (items.minutes[item] / QUIET.item_minutes) ** QUIET.long_items
            exposure += (1 - QUIET.memory**share) * (nourishment[item] - exposure)
            exposure -= (1 - QUIET.memory) * QUIET.annoyance * left
            np.testing.assert_allclose(info.satisfaction[t, who], 1 / (1 + np.exp(-3.0 * exposure)), atol=2e-4)
            pull = 1 - QUIET.satiation_memory**share
            tired += pull * ((np.arange(NUM_STYLES) == items.style[item]) - tired)
            times[item] += ratio
            patience = np.clip(patience + impatience * (-1 if left else QUIET.forgiveness), 0, 1)
            assert info.session_over[t, who] or patience > 0, "who has lost patience goes"
            away = ratio * items.minutes[item] / 60 + 24 * float(info.days_away[t, who])
            tired, times = tired / 2 ** (away / 18), times / 2 ** (away / 24 / 21)
            hours += away
            place += 1
            past.append(int(item))
            if info.session_over[t, who]:
                patience, place = 1.0, 0
        np.testing.assert_allclose(walk.state.exposure[who], exposure, atol=2e-4)


def test_what_was_heard_is_forgotten_at_the_rate_of_memory():
    """After n items alike that are heard to their end, `v + memory^(n dose) (n_0 - v)`."""
    here = world()
    alike = here._replace(
        items=here.items._replace(minutes=0 * here.items.minutes + QUIET.item_minutes),
        hidden=here.hidden._replace(nourishment=0 * here.hidden.nourishment - 0.25),
    )
    willing = dataclasses.replace(QUIET, skip=-100.0, down=-100.0)
    _, taken = walked(jax.random.key(6), alike, willing)
    steps = np.arange(400)
    expected = -0.25 * (1 - QUIET.memory**steps)
    np.testing.assert_allclose(np.asarray(taken.kept.exposure), np.tile(expected[:, None], 60), atol=1e-4)
