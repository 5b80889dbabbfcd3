"""The first question: how satisfied is a listener now, as far as a service can tell from its logs?"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from experiments.satisfaction_from_logs.heads import BINS, Heads, all_of, right_chances
from experiments.satisfaction_from_logs.learning import LearntResponses
from experiments.satisfaction_from_logs.logged import TESTS, Logged
from experiments.satisfaction_from_logs.settings import Settings
from urep_jax.baselines.present_satisfaction import minutes_of_a_week, ups_less_skips
from urep_jax.core.streams import numpy_stream
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.satisfaction_ranks import Between, between_listeners, mean_of, within_listeners
from urep_jax.metrics.calibration import Calibration, equal_mass_edges
from urep_jax.metrics.mean import Mean
from urep_jax.simulation.satisfaction.survey import survey
from urep_jax.training.satisfaction import SOON, SurveyModel, chance_of_yes, fit_survey, session_ends

SURVEY, RETURNS, CONSTANT = "survey", "returns", "constant"
SCORES = (SURVEY, RETURNS, "ups_less_skips", "minutes_of_a_week", CONSTANT)
"""What is compared: two models, and what is commonly taken for satisfaction."""


class Told(NamedTuple):
    """What was found out on one log.

    Attributes:
        between: how each score ranks listeners.
        within: how it ranks each listener's moments.
        calibration: of the chances: of the survey and the constant, with satisfaction; of returns, with returns.
    """

    between: dict[str, Between]
    within: dict[str, ByUser]
    calibration: dict[str, Calibration]


def ask_of_satisfaction(
    logged: Logged, learnt: LearntResponses, heads: Mapping[str, Heads], settings: Settings
) -> tuple[dict[str, Told], int]:
    """What each score tells of satisfaction, by `TESTS`; and how many answers the survey had.

    Args:
        logged: the logs.
        learnt: the response model.
        heads: how right it is, by `TESTS`.
        settings: the run's.
    """
    train = logged.train
    assert train.unseen is not None
    answers = survey(numpy_stream(logged.seed, "survey"), train.log, train.unseen, settings.survey)
    ends = session_ends(learnt.params, learnt.windows[learnt.train], learnt.items, learnt.model)
    model = fit_survey(ends, answers)
    yes = float(answers.is_satisfied.mean())
    told = {name: _judge(logged, name, learnt, model, yes, heads[name]) for name in TESTS}
    return told, len(answers.row)


def _judge(logged: Logged, test: str, learnt: LearntResponses, model: SurveyModel, yes: float, heads: Heads) -> Told:
    part = logged.tests[test]
    assert part.unseen is not None
    ends = session_ends(learnt.params, learnt.windows[test], learnt.items, learnt.model)
    at = ends.row, ends.event
    satisfaction_N = part.unseen.satisfaction[at].astype(np.float64)
    score: dict[str, np.ndarray] = {
        SURVEY: chance_of_yes(model, ends),
        RETURNS: ends.back,
        "ups_less_skips": ups_less_skips(part.log)[at],
        "minutes_of_a_week": minutes_of_a_week(part.log, np.asarray(logged.items.minutes))[at],
        CONSTANT: np.full(len(ends.row), yes),
    }
    by_satisfaction = {
        name: Calibration.from_batch(score[name], satisfaction_N, equal_mass_edges(score[name], BINS))
        for name in (SURVEY, CONSTANT)
    }
    return Told(
        between={name: between_listeners(one, satisfaction_N, ends.row) for name, one in score.items()},
        within={name: within_listeners(one, satisfaction_N, ends.row) for name, one in score.items()},
        calibration=by_satisfaction | {RETURNS: heads[f"back_within_{SOON:g}"]},
    )


def metrics_of(worlds: Sequence[Mapping[str, Told]]) -> dict[str, float]:
    """What `metrics.json` says of it: means over worlds, and half a 95 % interval of them by listeners."""
    metrics: dict[str, float] = {}
    for test in TESTS:
        told = [world[test] for world in worlds]
        place = f"satisfaction/{test.replace(' ', '_')}"
        for name in SCORES:
            mean, half = mean_of([one.between[name] for one in told])
            within = Mean.from_batch(np.concatenate([one.within[name].values for one in told]))
            metrics[f"{place}/{name}/between"], metrics[f"{place}/{name}/between_ci95"] = mean, half
            metrics[f"{place}/{name}/within"] = within.compute()
            metrics[f"{place}/{name}/within_ci95"] = within.ci95()
        for name in (SURVEY, RETURNS, CONSTANT):
            metrics[f"{place}/{name}/ece"] = float(np.mean([one.calibration[name].compute() for one in told]))
        right = [right_chances(one.calibration[RETURNS]) for one in told]
        metrics[f"{place}/{RETURNS}/ece_of_right_chances"] = float(np.mean(right))
    return metrics


def merged(worlds: Sequence[Mapping[str, Told]], test: str, name: str) -> Calibration:
    """The calibration of a model over all worlds, bin by bin."""
    return all_of([world[test].calibration[name] for world in worlds])
