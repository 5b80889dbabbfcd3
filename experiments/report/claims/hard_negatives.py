"""Hard negatives: where they come from, and what they do to accuracy, training time, ranks and popularity."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.report import charts
from experiments.report.claims.claim import AND_BY_USERS, BY_REPETITIONS, Claim, Numbers, Seen
from experiments.report.curves import (
    curve,
    curve_table,
    gains_over,
    gains_table,
    mean_where_known,
    plain,
    series,
    whole,
)
from experiments.report.intervals import Estimate, estimate, values_of
from experiments.report.runs import Run, sweep_of
from experiments.tables import BY_POPULARITY, RECALL, markdown_table, short
from urep_jax.data.hard_negatives import Rung

_RUNGS = tuple(rung.name.lower() for rung in Rung)
_RANKS = ("epochs_to_convergence", "mrr_up", "mrr_down")


def _measure_figure_1(runs: Sequence[Run]) -> Numbers | None:
    tables = [run.figure_table("hard_negative_sources.csv") for run in whole(runs).values()]
    if not tables or len({table.shape for table in tables}) > 1:
        return None
    shares_Lx5 = mean_where_known(tables)
    return {name: plain(shares_Lx5[:, i]) for i, name in enumerate(_RUNGS)}


def _shares(found: Numbers) -> np.ndarray:
    return np.array([found[name] for name in _RUNGS], float).T


def _tell_figure_1(seen: Seen) -> str:
    table = [["", *(name.replace("_", " ") for name in _RUNGS)]]
    table += [[name, *(f"{x:.0%}" for x in mean_where_known(list(_shares(found))))] for name, found in seen.items()]
    return (
        f"{markdown_table(table)}\n\nWith `p_hard=1`, as a mean over positions that are ever a task. Short sequences "
        "have all their tasks at the latest, so that more of the tasks than of the positions are random."
    )


FIGURE_1 = Claim(
    "figure_1",
    "Figure 1: sources of hard negatives",
    "recent positions take more random negatives, for there is less future feedback by definition; Spotify has "
    "only same-day skips, Piki hardly any future.",
    _measure_figure_1,
    _tell_figure_1,
    lambda seen, path: charts.sources({name: _shares(found) for name, found in seen.items()}, path),
)


def _measure_figure_2(runs: Sequence[Run]) -> Numbers | None:
    found = curve(runs, "p_hard", ("pair_accuracy", "random_pair_accuracy"), k_negatives="1")
    if not found:
        return None
    return {"curve": found, "gains": gains_over(runs, "p_hard", "0", k_negatives="1")}


def _tell_figure_2(seen: Seen) -> str:
    gains = gains_table(seen, "p_hard", "random negatives")
    return f"{curve_table(_curves(seen), 'p_hard')}\n\n{gains}\n\n{AND_BY_USERS}"


def _curves(seen: Seen) -> Seen:
    return {name: found["curve"] for name, found in seen.items()}


FIGURE_2_TOP = Claim(
    "figure_2_top",
    "Figure 2, top: accuracy over `p_hard`",
    "accuracy is considerably higher for any `p_hard` above 0, and quickly plateaus; hard negatives and feedback "
    "inputs together give 6 points.",
    _measure_figure_2,
    _tell_figure_2,
    lambda seen, path: charts.curves(series(_curves(seen), "pair_accuracy"), "p_hard", "test pair accuracy", path),
)


def _measure_figure_3(runs: Sequence[Run]) -> Numbers | None:
    found = curve(runs, "p_hard", (*_RANKS, *RECALL), k_negatives="1")
    if not found:
        return None
    sweep = sweep_of(runs, "p_hard", k_negatives="1")
    hard, random = (values_of(sweep.get(end, {}), _RANKS[0]) for end in ("1", "0"))
    common = sorted(set(hard) & set(random), key=str)
    # Ratios are pooled by their logarithm: half and twice are alike.
    ratio = estimate([float(np.log(hard[r] / random[r])) for r in common]).plain() if len(common) > 1 else None
    return {"curve": found, "log_ratio_of_epochs": ratio}


def _tell_figure_3(seen: Seen) -> str:
    ratios = [["", "epochs with p_hard=1 to epochs with 0"]]
    for name, found in seen.items():
        if found["log_ratio_of_epochs"]:
            log_ratio = Estimate.of(found["log_ratio_of_epochs"])
            low, mean, high = (short(np.exp(log_ratio.mean + x * log_ratio.half), 2) for x in (-1, 0, 1))
            ratios.append([name, f"{mean} ({low} to {high})"])
    told = [curve_table(_curves(seen), "p_hard"), *([markdown_table(ratios)] if len(ratios) > 1 else [])]
    return "\n\n".join([*told, f"{BY_REPETITIONS}."])


FIGURE_3 = Claim(
    "figure_3",
    "Figure 3: training time and ranks over `p_hard`",
    "training takes about 60 % less time with hard negatives; the reciprocal ranks of ups and downs both fall with "
    "`p_hard`, those of downs faster.",
    _measure_figure_3,
    _tell_figure_3,
    lambda seen, path: charts.figure_3({metric: series(_curves(seen), metric) for metric in _RANKS}, path),
)


_BOTH = ("mrr_up", "pair_accuracy")


def _measure_frontier(runs: Sequence[Run]) -> Numbers | None:
    found = curve(runs, "p_hard", _BOTH, k_negatives="1")
    return {"curve": found} if set(found) == set(_BOTH) else None


def _tell_frontier(seen: Seen) -> str:
    best = [["", "no other `p_hard` has more of both"]]
    best += [[name, ", ".join(undominated(_points(found)))] for name, found in seen.items()]
    return f"{curve_table(_curves(seen), 'p_hard')}\n\n{markdown_table(best)}\n\n{BY_REPETITIONS}."


def _points(found: Numbers) -> dict[str, tuple[float, float, float, float]]:
    """By `p_hard`: reciprocal rank and pair accuracy, each with half of its interval."""
    across, up = (found["curve"][metric] for metric in _BOTH)
    return {value: (*Estimate.of(across[value])[:2], *Estimate.of(up[value])[:2]) for value in across}


def undominated(points: Mapping[str, tuple[float, float, float, float]]) -> list[str]:
    """Those than which no other has more of one thing and at least as much of the other, by their means."""
    means = {name: (across, up) for name, (across, _, up, _) in points.items()}
    return [
        name
        for name, (across, up) in means.items()
        if not any(a >= across and b >= up and (a, b) != (across, up) for a, b in means.values())
    ]


FRONTIER = Claim(
    "frontier",
    "Pair accuracy and reciprocal rank over `p_hard`, against each other",
    "tells both, and not what one costs of the other.",
    _measure_frontier,
    _tell_frontier,
    lambda seen, path: charts.frontier(
        {name: _points(found) for name, found in seen.items()}, "reciprocal rank of ups", "test pair accuracy", path
    ),
)


def _measure_popularity(runs: Sequence[Run]) -> Numbers | None:
    return curve(runs, "p_hard", BY_POPULARITY, k_negatives="1") or None


POPULARITY = Claim(
    "popularity",
    "§5.2.2, §5.2.3: the tail, and the popularity of what is recommended",
    "more hard negatives may give poorer recommendations of tail songs, and give generally less popular ones.",
    _measure_popularity,
    lambda seen: (
        f"{curve_table(seen, 'p_hard')}\n\nThe head draws half of all training ups, the middle 30 %, the tail the "
        f"rest. Popularity: the share of the catalogue that has fewer ups. {BY_REPETITIONS}."
    ),
    lambda seen, path: charts.curves(
        series(seen, "recommended_popularity"), "p_hard", "popularity of the top 10", path
    ),
)
