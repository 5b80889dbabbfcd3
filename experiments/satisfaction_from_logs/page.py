"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping

from omegaconf import DictConfig
from rich.table import Table

from experiments.satisfaction_from_logs import satisfaction
from experiments.satisfaction_from_logs.forecasts import BASELINES, SCORES
from experiments.satisfaction_from_logs.logged import TESTS
from experiments.tables import cell, markdown_table, short, simple_table
from urep_jax.data.forecast_questions import HORIZONS

SATISFACTION = {
    "survey": "survey's answers",
    "returns": "returns",
    "ups_less_skips": "ups less skips",
    "minutes_of_a_week": "minutes of a week",
    "constant": "a constant",
}
FORECASTS = {
    "model": "model",
    "stranger": "model, of a stranger",
    "popularity": "popularity",
    "last_session": "last session",
    "vector": "listener's vector",
    "taste": "lasting taste (hidden)",
    "truth": "true utility then (hidden)",
}
HORIZON_TITLES = {"ten_minutes": "10 minutes", "one_day": "1 day", "one_week": "1 week"}
"""What a person is told of each score and horizon."""


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal: satisfaction, and forecasts on new listeners."""
    caption = f"± is half a 95 % interval, by listeners of {_worlds(cfg)}"
    return [
        *(simple_table(_ranks(metrics, test), f"satisfaction: {test}", caption) for test in TESTS),
        *(simple_table(_forecasts(metrics, test), f"what is wanted later, AUC: {test}", caption) for test in TESTS),
    ]


def page(cfg: DictConfig, metrics: Mapping[str, float]) -> str:
    """`report.md`: what was done, and what came out."""
    ranks = "\n\n".join(f"### {test.capitalize()}\n\n{markdown_table(_ranks(metrics, test))}" for test in TESTS)
    forecasts = "\n\n".join(
        f"### {test.capitalize()}\n\n{markdown_table(_forecasts(metrics, test))}\n\n"
        f"{markdown_table(_ahead(metrics, test))}"
        for test in TESTS
    )
    return f"""# What logs tell of satisfaction, and of what will be wanted

{_worlds(cfg).capitalize()}, {cfg.logs.listeners:,} listeners of each to learn from, logged for
{cfg.satisfaction.weeks:g} weeks: {metrics["events"]:,.0f} events. Each is offered what another of {cfg.logs.policies}
policies chooses each week. What was learnt is judged on {cfg.logs.tested:,} new listeners under these policies, and on as
many under a new policy, which offers more of the same.

## How satisfied is a listener?

{ranks}

![how right the chances are](figures/reliability.png)

Satisfaction is hidden, and judges alone. Of the ends of sessions each score says how satisfied the listener is. *Between
listeners* is the rank correlation of listeners' means, *within a listener* that over one listener's ends of sessions. The
survey asked at {cfg.survey:.1%} of the ends ({metrics["answers"]:,.0f} answers); its model is told off against
satisfaction, that of returns, which says who is back within two days, against returns: the *error* is the expected
calibration error in {satisfaction.BINS} bins. A constant says the survey's mean of everybody.

## What will be wanted?

{forecasts}

![forecasts by horizon](figures/forecasts.png)

Asked at every eighth event about what was offered ten minutes (5 to 20), a day (12 to 36 hours, the nearest session) and a
week (6 to 8 days, likewise) later. AUC: the share of pairs of an item that was heard to its end or thumbed up and one that
was skipped or downed, of those offered then, that a score orders rightly, pooled by listener. *Of a stranger*: the model
asked with somebody else's history, a control. *Popularity* is the share of an item's offers in which it was wanted;
*last session*, how near it is to what was wanted in the last session, less what wasn't. No service knows the last two rows:
*true utility* is what the item is worth at the moment when it is offered, mood and all that was heard until then included,
and so the most that can be reached; *lasting taste* is the part of it that never changes. ± is half a 95 % interval by
listeners.
"""


def _worlds(cfg: DictConfig) -> str:
    return "one simulated world" if cfg.worlds == 1 else f"{cfg.worlds} simulated worlds"


def _place(kind: str, test: str) -> str:
    return f"{kind}/{test.replace(' ', '_')}"


def _ranks(metrics: Mapping[str, float], test: str) -> list[list[str]]:
    stem = _place("satisfaction", test)

    def error(name: str) -> str:
        key = f"{stem}/{name}/ece"
        return short(metrics[key], 3) if key in metrics else "–"

    def rank(name: str, where: str) -> str:
        return "–" if name == satisfaction.CONSTANT else cell(metrics, f"{stem}/{name}/{where}")

    return [
        ["", "between listeners", "within a listener", "error"],
        *(
            [SATISFACTION[name], rank(name, "between"), rank(name, "within"), error(name)]
            for name in satisfaction.SCORES
        ),
    ]


def _forecasts(metrics: Mapping[str, float], test: str) -> list[list[str]]:
    stem = _place("forecast", test)
    return [
        ["", *(HORIZON_TITLES[horizon.name] for horizon in HORIZONS)],
        *(
            [FORECASTS[name], *(cell(metrics, f"{stem}/{horizon.name}/{name}") for horizon in HORIZONS)]
            for name in SCORES
        ),
    ]


def _ahead(metrics: Mapping[str, float], test: str) -> list[list[str]]:
    stem = _place("forecast", test)
    return [
        ["the model's lead", *(HORIZON_TITLES[horizon.name] for horizon in HORIZONS)],
        *(
            [f"over {FORECASTS[name]}", *(cell(metrics, f"{stem}/{horizon.name}/over_{name}") for horizon in HORIZONS)]
            for name in BASELINES
        ),
    ]
