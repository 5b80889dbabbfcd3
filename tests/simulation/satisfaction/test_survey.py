"""A survey: of the ends of sessions a share is asked, and yes is said with the chance of satisfaction."""

import jax
import numpy as np
import pytest

from tests.agents.small_world import ANYTHING, LISTENERS, PARAMS, small_world
from urep_jax.simulation.satisfaction.logs import Log, Unseen, write_log
from urep_jax.simulation.satisfaction.survey import survey


def logged() -> tuple[Log, Unseen]:
    return write_log(jax.random.key(1), small_world(), PARAMS, ANYTHING, np.arange(LISTENERS), 64)


def test_a_share_of_the_ends_is_asked_and_answers_by_satisfaction() -> None:
    log, unseen = logged()
    many = Log(*(np.tile(x, (200, 1)) if x.ndim == 2 else np.tile(x, 200) for x in log))
    ends = int(many.session_over.sum())
    for chance in (0.2, 0.9):
        same = unseen._replace(satisfaction=np.full(many.item.shape, chance, np.float32))
        answers = survey(np.random.default_rng(0), many, same, 0.3)
        assert many.session_over[answers.row, answers.event].all()
        assert abs(len(answers.row) / ends - 0.3) < 4 * np.sqrt(0.21 / ends)
        spread = np.sqrt(chance * (1 - chance) / len(answers.row))
        assert abs(answers.is_satisfied.mean() - chance) < 4 * spread
    everybody = survey(np.random.default_rng(0), log, unseen, 1.0)
    assert len(everybody.row) == log.session_over.sum()
    with pytest.raises(ValueError, match=r"share is 1\.5, but must lie between 0 and 1"):
        survey(np.random.default_rng(0), log, unseen, 1.5)
