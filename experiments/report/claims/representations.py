"""Generalized user representations: z_u beside others in each task, and without groups of its features."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from experiments.report.charts import gains, over_steps
from experiments.report.claims.claim import AND_BY_USERS, Claim, Numbers, Seen
from experiments.report.intervals import (
    Estimate,
    Plain,
    difference,
    difference_by_user,
    estimate,
    told_gain,
    values_of,
)
from experiments.report.runs import Repeat, Run, sweep_of
from experiments.tables import FUTURE, markdown_table
from experiments.user_representation.paper import (
    DAYS,
    PAPER,
    PAPER_WITHOUT,
    TASKS,
    metric_title,
    ours,
    representation_title,
)

_WITHOUT = "features.without"
_WHOLE = "[]"
_KINDS = ("completed", "not_completed")

Gain = Sequence[Plain | None]
"""A difference by repetitions, and by users."""


def ahead(a: Mapping[Repeat, Run], b: Mapping[Repeat, Run], metric: str, metric_of_b: str) -> Gain:
    """How much more of a metric `a` has than `b` of another."""
    gains = (
        difference(values_of(a, metric), values_of(b, metric_of_b)),
        difference_by_user(a, b, metric, metric_of_b),
    )
    return [gain.plain() if gain else None for gain in gains]


def with_all_features(runs: Sequence[Run]) -> dict[Repeat, Run]:
    """The repetitions, with all features, of the setting that has most of them."""
    settings: dict[frozenset[tuple[str, str]], dict[Repeat, Run]] = {}
    for run in runs:
        if run.setting.get(_WITHOUT) == _WHOLE:
            settings.setdefault(frozenset(run.setting.items()), {}).setdefault(run.repeat, run)
    return max(settings.values(), key=len, default={})


def _measure(tasks: Sequence[str], runs: Sequence[Run]) -> Numbers | None:
    """By task and metric: what each representation has, and how far z_u is ahead of it."""
    repeats = with_all_features(runs)
    return {
        task: {
            metric: {
                r: {
                    "value": estimate(list(values_of(repeats, f"{task}/{r}/{metric}").values())).plain(),
                    "z_u over it": ahead(repeats, repeats, f"{task}/{ours(task)}/{metric}", f"{task}/{r}/{metric}"),
                }
                for r in _representations(repeats, task, metric)
            }
            for metric in dict.fromkeys(("accuracy", TASKS[task][0]))
            if _representations(repeats, task, metric)
        }
        for task in tasks
        if _representations(repeats, task, TASKS[task][0])
    } or None


def _representations(repeats: Mapping[Repeat, Run], task: str, metric: str) -> list[str]:
    """What every repetition tells of in a task."""
    found = [[key for key in run.metrics if key.startswith(f"{task}/")] for run in repeats.values()]
    names = [key.removeprefix(f"{task}/").removesuffix(f"/{metric}") for key in (found[0] if found else ())]
    return [name for name in names if all(f"{task}/{name}/{metric}" in keys for keys in found)]


def _tell(seen: Seen) -> str:
    table = [["task", "data", "", "", "z_u over it", "by users", "as a share", "the paper"]]
    for data, tasks in seen.items():
        for task, metrics in tasks.items():
            for metric, found in metrics.items():
                for r, own in found.items():
                    value, gains = Estimate.of(own["value"]), own["z_u over it"]
                    told = [_short(task), data, f"{metric_title(metric)}: {representation_title(r)}", value.told(3)]
                    if r == ours(task):
                        table.append([*told, "", "", "", ""])
                        continue
                    mean = next((gain[0] for gain in gains if gain), None)
                    share = f"{100 * mean / value.mean:+.1f} %" if mean is not None else "–"
                    paper = PAPER.get(task, {}).get(r, {}).get(metric)
                    told_paper = "" if paper is None else f"{100 * paper:+.1f} %"
                    table.append([*told, *told_gain(gains, 3), share.replace("-", "−"), told_paper.replace("-", "−")])
    return f"{markdown_table(table)}\n\n{AND_BY_USERS}"


def _draw(seen: Seen, path: Path) -> None:
    """How far z_u is ahead in each task of each representation, as a share of what that has."""
    metric_of = {task: metric for task, (metric, _) in TASKS.items()}
    found: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    for data, tasks in seen.items():
        for task, metrics in tasks.items():
            for r, own in metrics[metric_of[task]].items():
                gain = own["z_u over it"][0]
                if r != ours(task) and gain is not None:
                    share = 100 / Estimate.of(own["value"]).mean
                    found.setdefault((task, r), {})[data] = (share * gain[0], share * (gain[1] or math.nan))
    if not found:
        return
    many = len({task for task, _ in found}) > 1
    rows = [f"{_short(task)}: {representation_title(r)}" if many else representation_title(r) for task, r in found]
    none = (math.nan, math.nan)
    series = {data: [own.get(data, none) for own in found.values()] for data in seen}
    paper = [100 * PAPER.get(task, {}).get(r, {}).get(metric_of[task], math.nan) for task, r in found]
    gains(rows, series, paper, "z_u over it, % of what it has", path)


def _short(task: str) -> str:
    """What a task is called within its table."""
    return task.rpartition("/")[2].replace("_", " ")


def _measure_since(runs: Sequence[Run]) -> Numbers | None:
    """By days since the registration, and onboarding: what z_u and the average have."""
    repeats = with_all_features(runs)
    found: dict[str, dict[str, Numbers]] = {}
    for days in DAYS:
        for kind in _KINDS:
            z, average = (f"since_registration/{days}/{kind}/{r}/auc" for r in ("z_u", "average"))
            if values_of(repeats, z) and values_of(repeats, average):
                found.setdefault(str(days), {})[kind] = {
                    "z_u": estimate(list(values_of(repeats, z).values())).plain(),
                    "average": estimate(list(values_of(repeats, average).values())).plain(),
                    "z_u over it": ahead(repeats, repeats, z, average),
                }
    return found or None


def _tell_since(seen: Seen) -> str:
    table = [["days", "data", "onboarding", "z_u", "average embeddings", "z_u over it", "by users"]]
    for data, by_days in seen.items():
        for days, kinds in by_days.items():
            for kind, own in kinds.items():
                told = [Estimate.of(own[r]).told(3) for r in ("z_u", "average")]
                table.append([days, data, kind.replace("_", " "), *told, *told_gain(own["z_u over it"], 3)])
    return f"AUC of listening in the seven days that follow.\n\n{markdown_table(table)}\n\n{AND_BY_USERS}"


def _draw_since(seen: Seen, path: Path) -> None:
    """What z_u and the average have over the days, by onboarding."""
    found: dict[str, list[tuple[float, float]]] = {}
    many = len(seen) > 1
    for data, by_days in seen.items():
        for kind in _KINDS:
            for r in ("z_u", "average"):
                name = f"{representation_title(r)}, onboarding {kind.replace('_', ' ')}{f', {data}' if many else ''}"
                points = [Estimate.of(own[kind][r]) if kind in own else None for own in by_days.values()]
                found[name] = [(one.mean, one.half) if one else (math.nan, math.nan) for one in points]
    over_steps(
        list(next(iter(seen.values()))), found, "days since the registration", "test AUC of the next seven days", path
    )


def _measure_without(runs: Sequence[Run]) -> Numbers | None:
    """By what was taken out and task: what z_u has then, and how that differs from all features."""
    sweep = sweep_of(runs, _WITHOUT)
    complete = sweep.pop(_WHOLE, None)
    if complete is None:
        return None
    keys = {task: f"{task}/{ours(task)}/{metric}" for task, (metric, _) in TASKS.items()}
    there = {task: key for task, key in keys.items() if values_of(complete, key)}
    found: dict[str, dict[str, Numbers]] = {}
    for group, repeats in ({_WHOLE: complete} | sweep).items():
        found[_group(group)] = {
            task: {
                "value": estimate(list(values_of(repeats, key).values())).plain(),
                "change": ahead(repeats, complete, key, key) if group != _WHOLE else None,
            }
            for task, key in there.items()
            if values_of(repeats, key)
        }
    return found


def _group(without: str) -> str:
    """What was taken out, as a person reads it."""
    return without.strip("[]").replace("'", "") or "nothing"


def _tell_without(seen: Seen) -> str:
    table = [["without", "data", "task", "z_u", "change", "by users", "as a share", "the paper"]]
    for data, groups in seen.items():
        for group, tasks in groups.items():
            for task, own in tasks.items():
                value = Estimate.of(own["value"])
                told = [group, data, TASKS[task][1].removeprefix("test "), value.told(3)]
                mean = next((gain[0] for gain in own["change"] or () if gain), None)
                if mean is None:
                    table.append([*told, "", "", "", ""])
                    continue
                paper = PAPER_WITHOUT.get(group, {}).get(task)
                shares = [
                    f"{100 * mean / (value.mean - mean):+.1f} %",
                    "" if paper is None else f"{100 * paper:+.1f} %",
                ]
                table.append([*told, *told_gain(own["change"], 3), *(share.replace("-", "−") for share in shares)])
    return f"{markdown_table(table)}\n\n{AND_BY_USERS}"


def _claim(name: str, title: str, paper: str, *tasks: str) -> Claim:
    return Claim(name, title, paper, partial(_measure, tasks), _tell, _draw, runs_with=FUTURE)


TABLES = (
    _claim(
        "future_listening",
        "Table 1: listening within the next seven days, established users",
        "z_u is ahead of NMF, LightFM and average embeddings, of the last by least.",
        "future_listening",
    ),
    _claim(
        "cold_start",
        "Table 2: listening within four hours after registration",
        "z_u is ahead of what is popular and of average embeddings of the artists picked, whether the onboarding was "
        "completed or not.",
        "cold_start/completed",
        "cold_start/not_completed",
    ),
    Claim(
        "since_registration",
        "RQ2: the days since the registration",
        "z_u serves new users from their onboarding on, and established ones when that has faded; no numbers by days.",
        _measure_since,
        _tell_since,
        _draw_since,
        runs_with=FUTURE,
    ),
    _claim(
        "artist_preference",
        "Table 3: a downstream model with z_u, and with curated features instead",
        "z_u in place of all individual features lifts the AUC by 3.6 %.",
        "artist_preference",
    ),
    _claim(
        "candidates",
        "§4.1: candidates by two towers, and their order",
        "z_u serves candidate generation and item ranking, which would each have features of their own; no numbers.",
        "candidates",
        "ranker",
    ),
    _claim(
        "clusters",
        "Table 4: similar users",
        "those who have artists, their country or an onboarding in common lie closer by z_u than by average "
        "embeddings.",
        "clusters/favourite_artists",
        "clusters/artist_country",
        "clusters/favourite_genres",
        "clusters/onboarding",
    ),
)
"""z_u beside other representations."""

WITHOUT = Claim(
    "ablation",
    "§5.2.4: without groups of features",
    "without the onboarding, users with the same answers are found less well (−13.8 %); without modality encoders, "
    "future listening (−4.2 %) and favourite artists (−37.1 %) are; without static features, countries (−12.1 %).",
    _measure_without,
    _tell_without,
    runs_with=FUTURE,
)
