"""What a survey teaches: satisfaction's ranks and level, and of answers that mean nothing, nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.agents.small_world import LISTENERS, STYLES, small_log, small_world
from urep_jax.data.listening_history import known_items
from urep_jax.data.response_windows import ResponseWindows, window_features
from urep_jax.evaluation.satisfaction_ranks import between_listeners, spearman, within_listeners
from urep_jax.metrics.calibration import Calibration, equal_mass_edges
from urep_jax.models import response_model
from urep_jax.models.response_model import ResponseConfig, ReturnLine
from urep_jax.simulation.satisfaction.survey import Answers
from urep_jax.training.satisfaction import SessionEnds, chance_of_yes, fit_survey, session_ends

USERS, ENDS, NUMBERS = 300, 20, 8
RNG = np.random.default_rng(0)


def ends_and_satisfaction() -> tuple[SessionEnds, np.ndarray]:
    """Of numbers two say how satisfied somebody is; scales and means differ."""
    level = np.repeat(RNG.normal(size=(USERS, NUMBERS)), ENDS, axis=0)
    numbers = level + RNG.normal(size=(USERS * ENDS, NUMBERS))
    satisfaction = 1 / (1 + np.exp(-(0.4 + 0.5 * numbers[:, 0] - 0.4 * numbers[:, 1])))
    shown = 3 + numbers * np.geomspace(0.1, 10, NUMBERS)
    row, event = np.repeat(np.arange(USERS), ENDS), np.tile(np.arange(ENDS) * 3 + 2, USERS)
    return SessionEnds(row, event, shown, np.full(len(row), 0.5)), satisfaction


SEEN, SATISFACTION = ends_and_satisfaction()


def asked(share: float, satisfaction: np.ndarray) -> Answers:
    at = RNG.uniform(size=len(satisfaction)) < share
    return Answers(SEEN.row[at], SEEN.event[at], RNG.uniform(size=at.sum()) < satisfaction[at])


def test_a_survey_tells_how_satisfied_listeners_are() -> None:
    said = chance_of_yes(fit_survey(SEEN, asked(1.0, SATISFACTION)), SEEN)
    assert between_listeners(said, SATISFACTION, SEEN.row).correlation > 0.95
    assert within_listeners(said, SATISFACTION, SEEN.row).value > 0.95
    calibration = Calibration.from_batch(said, SATISFACTION, equal_mass_edges(said, 10))
    constant = np.full(len(said), 0.9)
    assert calibration.compute() < 0.03
    off = Calibration.from_batch(constant, SATISFACTION, equal_mass_edges(constant, 10)).compute()
    assert off == pytest.approx(0.9 - SATISFACTION.mean())


def test_few_answers_make_it_careful() -> None:
    few, many = (chance_of_yes(fit_survey(SEEN, asked(share, SATISFACTION)), SEEN) for share in (0.01, 0.5))
    assert few.std() < 0.7 * many.std()
    assert spearman(few, SATISFACTION) > 0.5


def test_of_constant_satisfaction_nothing_is_learnt() -> None:
    said = chance_of_yes(fit_survey(SEEN, asked(0.3, np.full(len(SATISFACTION), 0.7))), SEEN)
    np.testing.assert_allclose(said.mean(), 0.7, atol=0.05)
    assert abs(between_listeners(said, SATISFACTION, SEEN.row).correlation) < 0.7
    assert said.std() < 0.07
    assert between_listeners(said, np.full(len(said), 0.7), SEEN.row).correlation == 0.0


def test_answers_that_teach_nothing_are_refused() -> None:
    answers = asked(0.1, SATISFACTION)
    everybody = answers._replace(is_satisfied=np.ones(len(answers.row), bool))
    with pytest.raises(ValueError, match=f"of {len(answers.row)} answers {len(answers.row)} say yes"):
        fit_survey(SEEN, everybody)
    with pytest.raises(ValueError, match="of 0 answers 0 say yes"):
        fit_survey(SEEN, Answers(*(x[:0] for x in answers)))
    with pytest.raises(ValueError, match="where no session of the log ends"):
        fit_survey(SEEN, answers._replace(event=answers.event + 1))


def test_the_ends_of_a_logs_sessions_are_found_once_each() -> None:
    world = small_world()
    log, items = small_log(world), known_items(world.items)
    windows = ResponseWindows(log, np.asarray(world.listeners.vector)[:LISTENERS], items, STYLES, 6, 16, 0)
    seen = jax.eval_shape(lambda batch: window_features(batch, items), jax.tree.map(jnp.asarray, windows[0]))
    widths = (part.shape[-1] for part in (seen.listener, seen.item, seen.relation))
    model = ResponseConfig(*widths, width=4, hidden=4, heads=1, blocks=0, window=6)
    line = ReturnLine(jnp.full(seen.lasting.shape[-1] + 6, 0.1), jnp.full(len(model.days) - 1, -1.0))
    ends = session_ends(response_model.init(jax.random.key(0), model) | {"return": line}, windows, items, model)
    np.testing.assert_array_equal([ends.row, ends.event], np.nonzero(log.session_over))
    np.testing.assert_allclose(ends.numbers[:, -1], np.log(ends.back / (1 - ends.back)), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(ends.numbers[:, -2], log.ratio[ends.row, ends.event])
