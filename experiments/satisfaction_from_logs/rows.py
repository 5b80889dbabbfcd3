"""Tables of forecasts, of the response model, and of policies in learned worlds, as rows of cells."""

from collections.abc import Mapping, Sequence

from experiments.satisfaction_from_logs import learned
from experiments.satisfaction_from_logs.forecasts import BASELINES, HIDDEN, SEEN
from experiments.tables import cell, short
from urep_jax.data.forecast_questions import HORIZONS

FORECASTS = {
    "model": "model",
    "stranger": "model, of a stranger",
    "popularity": "popularity",
    "last_session": "last session",
    "vector": "listener's vector",
    "taste": "lasting taste (hidden)",
    "truth": "true utility then (hidden)",
}
HEADS = {
    "up": "an up",
    "skip": "a skip",
    "down": "a down",
    "session_over": "the session's end",
    "back_within_1": "back in a day",
    "back_within_2": "back in 2 days",
    "back_within_7": "back in a week",
}
JUDGES = {
    "first_and_true": "first and true",
    "second_and_true": "second and true",
    "first_and_second": "first and second",
    "first_and_satisfaction": "first and satisfaction",
    "true_and_satisfaction": "true and satisfaction",
}
OF_AGREEMENTS = "rank correlation of policies, and its 95 % interval by policies"
COMPARED = {"reward": "reward", "ups": "ups less downs", "sessions": "sessions"}
HORIZON_TITLES = {"ten_minutes": "10 minutes", "one_day": "1 day", "one_week": "1 week"}
"""What a person is told of each score, head, two judges, what these are compared by, and horizon."""


def under(kind: str, test: str) -> str:
    """Where `metrics.json` has what is told of a test."""
    return f"{kind}/{test.replace(' ', '_')}"


def forecasts(metrics: Mapping[str, float], test: str) -> list[list[str]]:
    """How well each score tells what will be wanted."""
    stem = under("forecast", test)
    return [
        ["", *(HORIZON_TITLES[horizon.name] for horizon in HORIZONS)],
        *(
            [FORECASTS[name], *(cell(metrics, f"{stem}/{horizon.name}/{name}") for horizon in HORIZONS)]
            for name in (*SEEN, *HIDDEN)
            if f"{stem}/{HORIZONS[0].name}/{name}" in metrics
        ),
    ]


def ahead(metrics: Mapping[str, float], test: str) -> list[list[str]]:
    """How far the model is ahead of what it has to beat."""
    stem = under("forecast", test)
    return [
        ["the model's lead", *(HORIZON_TITLES[horizon.name] for horizon in HORIZONS)],
        *(
            [f"over {FORECASTS[name]}", *(cell(metrics, f"{stem}/{horizon.name}/over_{name}") for horizon in HORIZONS)]
            for name in BASELINES
        ),
    ]


def heads(metrics: Mapping[str, float], tests: Sequence[str]) -> list[list[str]]:
    """How right the response model is of what happens at all."""

    def told(test: str, head: str) -> list[str]:
        stem = f"{under('responses', test)}/{head}"
        error, right = (short(metrics[f"{stem}/{name}"], 3) for name in ("ece", "ece_of_right_chances"))
        share, resolution = (short(metrics[f"{stem}/{name}"], 3) for name in ("share", "resolution"))
        return [f"{error} ({right})", share, resolution]

    def happens(head: str) -> bool:
        return any(0 < metrics[f"{under('responses', test)}/{head}/share"] < 1 for test in tests)

    header = ["", *(title for test in tests for title in (f"error, {test}", "happened", "told apart"))]
    rows = (
        [title, *(one for test in tests for one in told(test, head))] for head, title in HEADS.items() if happens(head)
    )
    return [header, *rows]


def names(metrics: Mapping[str, float]) -> list[str]:
    """The policies that were followed."""
    end = f"/reward/{learned.FIRST}"
    return [key.split("/")[1] for key in metrics if key.startswith("learned/") and key.endswith(end)]


def policies(metrics: Mapping[str, float]) -> list[list[str]]:
    """What becomes of listeners under each policy, in each world."""
    of = names(metrics)
    places = [one for one in learned.WORLDS if f"learned/{of[0]}/reward/{one}" in metrics]
    is_simulated = learned.TRUTH in places

    def told(name: str) -> list[str]:
        stem = f"learned/{name}"
        satisfaction = [cell(metrics, f"{stem}/satisfaction")] if is_simulated else []
        reward = [f"{metrics[f'{stem}/reward/{place}']:.0f}" for place in places]
        sessions = [f"{metrics[f'{stem}/sessions/{place}']:.1f}" for place in places]
        return [name, *satisfaction, *reward, *sessions]

    satisfaction = ["satisfaction"] if is_simulated else []
    header = ["", *satisfaction, *(f"{what}, {place}" for what in ("reward", "sessions") for place in places)]
    return [header, *(told(name) for name in of)]


def agreements(metrics: Mapping[str, float]) -> list[list[str]]:
    """How far each two judges agree on the order of policies: rank correlations, with their intervals."""

    def told(name: str) -> str:
        if name not in metrics:
            return "–"
        middle, low, high = (short(metrics[f"{name}{end}"], 2) for end in ("", "_low", "_high"))
        return f"{middle} ({low} to {high})"

    there = {name: title for name, title in JUDGES.items() if f"learned/agreement/{name}/reward" in metrics}
    return [
        ["", *COMPARED.values()],
        *(
            [title, *(told(f"learned/agreement/{name}/{measure}") for measure in COMPARED)]
            for name, title in there.items()
        ),
    ]
