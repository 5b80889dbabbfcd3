"""The second question: what will a listener want in ten minutes, in a day, in a week?"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from rich.console import Console

from experiments.satisfaction_from_logs.learning import Learnt, learn
from experiments.satisfaction_from_logs.logged import Logged, Part
from experiments.satisfaction_from_logs.settings import Learning
from urep_jax.baselines.wanted_later import last_session
from urep_jax.data.epochs import Interleaved
from urep_jax.data.forecast_questions import HORIZONS, ForecastQuestions, Questions, remembered, wanted_rate, with_rates
from urep_jax.data.listening_history import KnownItems
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.forecasts import as_strangers, forecast_auc, scored
from urep_jax.evaluation.paired import paired_difference
from urep_jax.training.forecast import chance_wanted, forecast_objective, question_features

MODEL, POPULARITY, LAST_SESSION = "model", "popularity", "last_session"
BASELINES = (POPULARITY, LAST_SESSION)
"""What the source's forecasts have to beat."""

SEEN = (MODEL, "stranger", *BASELINES, "vector")
"""What is compared: the model, asked with the listener's history and with somebody else's, and what reads a log."""

HIDDEN = ("taste", "truth")
"""In a simulated world beside these, hidden from any service: lasting taste, and what the items are worth to the
listener when they are offered."""

AUC = Mapping[str, Mapping[str, ByUser]]
"""By the horizon's name and the score's."""


class Asked(NamedTuple):
    """The questions about each part of the logs, by horizon, in the order of `HORIZONS`.

    Attributes:
        items: what is known of items: as in all logs, and how often each was wanted by others than those learnt from.
        train: what is learnt from.
        validation: what says when to stop.
        tests: what is judged on, by name.
    """

    items: KnownItems
    train: tuple[ForecastQuestions, ...]
    validation: tuple[ForecastQuestions, ...]
    tests: dict[str, tuple[ForecastQuestions, ...]]


def ask(logged: Logged, repeat_days: float, batch_size: int) -> Asked:
    """All that is asked about the logs.

    Args:
        logged: the logs.
        repeat_days: days in which a hearing fades to a half.
        batch_size: questions of a batch.
    """
    # Of others' answers: in a rate that counted its own, a model would find them again, and learn nothing else.
    items = with_rates(logged.items, logged.others[0].log)

    def of(part: Part) -> tuple[ForecastQuestions, ...]:
        given = part.log, part.vectors, remembered(part.log, items, logged.num_styles)
        return tuple(ForecastQuestions(*given, one, repeat_days, batch_size, logged.seed) for one in HORIZONS)

    return Asked(
        items, of(logged.train), of(logged.validation), {test: of(part) for test, part in logged.tests.items()}
    )


def learn_forecasts(logged: Logged, asked: Asked, how: Learning, folder: Path, console: Console) -> Learnt:
    """One model for all horizons, by likelihood: what is lasting taste in ten minutes is so in a week.

    Args:
        logged: the logs.
        asked: about them.
        how: it is learnt.
        folder: where its checkpoints and history go.
        console: where progress is shown.
    """
    seen = jax.eval_shape(lambda batch: question_features(batch, asked.items), asked.train[0][0])
    model = how.reading(seen)
    objective, train = forecast_objective(model, asked.items), Interleaved(asked.train)
    return learn(objective, model, train, asked.validation, how, logged.seed, folder, "forecasts", console)


def judge_forecasts(logged: Logged, asked: Asked, learnt: Learnt) -> dict[str, AUC]:
    """How well each score tells what will be wanted, by the test's name.

    Args:
        logged: the logs.
        asked: about them.
        learnt: from `learn_forecasts`.
    """
    chance = jax.jit(lambda batch: chance_wanted(learnt.params, batch, asked.items, learnt.model))

    def said(batch: Questions) -> np.ndarray:
        return np.asarray(chance(batch))

    return {
        test: {one.horizon.name: _judge(logged, logged.tests[test], one, said) for one in questions}
        for test, questions in asked.tests.items()
    }


def _judge(
    logged: Logged, part: Part, questions: ForecastQuestions, said: Callable[[Questions], np.ndarray]
) -> dict[str, ByUser]:
    row_N, moment_N, *_ = questions.places
    item_NxM = part.log.item[row_N[:, None], questions.event_NxM]
    content_VxF = np.asarray(logged.service.items.content)

    def near(vector_NxF: np.ndarray) -> np.ndarray:
        return np.einsum("nmf,nf->nm", content_VxF[item_NxM], vector_NxF)

    scores = {
        MODEL: scored(said, questions),
        "stranger": scored(lambda batch: said(as_strangers(batch)), questions),
        POPULARITY: wanted_rate(logged.others[0].log, len(content_VxF))[item_NxM],
        LAST_SESSION: near(last_session(part.log, content_VxF, row_N, moment_N)),
        "vector": near(part.vectors[row_N]),
    }
    if logged.world is not None and part.unseen is not None:
        hidden, who_N = logged.world.hidden, part.log.listener[row_N]
        wishes_NxK = np.asarray(logged.world.listeners.wishes)[who_N]
        scores["taste"] = np.einsum("nmk,nk->nm", np.asarray(hidden.parts)[item_NxM], wishes_NxK)
        scores["taste"] += np.asarray(hidden.pull)[item_NxM]
        scores["truth"] = part.unseen.utility[row_N[:, None], questions.event_NxM]
    return {name: forecast_auc(one, questions) for name, one in scores.items()}


def metrics_of(worlds: Sequence[Mapping[str, AUC]]) -> dict[str, float]:
    """What `metrics.json` says of it: means over the listeners of all worlds, and half a 95 % interval of them."""
    metrics: dict[str, float] = {}
    for test in worlds[0]:
        for horizon in HORIZONS:
            place = f"forecast/{test.replace(' ', '_')}/{horizon.name}"
            names = worlds[0][test][horizon.name]
            of = {name: _pooled([world[test][horizon.name][name] for world in worlds]) for name in names}
            for name, one in of.items():
                metrics[f"{place}/{name}"], metrics[f"{place}/{name}_ci95"] = one.value, one.ci95
            for name in BASELINES:
                ahead = paired_difference(of[MODEL], of[name])
                metrics[f"{place}/over_{name}"], metrics[f"{place}/over_{name}_ci95"] = ahead.mean, ahead.ci95
    return metrics


def _pooled(worlds: Sequence[ByUser]) -> ByUser:
    """The listeners of several worlds, numbered through."""
    most = 1 + max(int(one.user.max()) for one in worlds)
    return ByUser(
        np.concatenate([number * most + one.user for number, one in enumerate(worlds)]),
        np.concatenate([one.values for one in worlds]),
    )
