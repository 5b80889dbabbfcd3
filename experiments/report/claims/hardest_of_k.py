"""The hardest of k random negatives."""

from collections.abc import Sequence

import numpy as np

from experiments.report import charts
from experiments.report.claims.claim import AND_BY_USERS, Claim, Numbers, Seen
from experiments.report.curves import curve, curve_table, gains_over, gains_table, series, whole
from experiments.report.intervals import values_of
from experiments.report.runs import Run
from experiments.tables import short

_METRICS = (
    *("pair_accuracy", "pair_accuracy/head", "pair_accuracy/tail", "random_pair_accuracy"),
    *("mrr_up", "mrr_down", "recommended_popularity", "epochs_to_convergence"),
)


def _measure(runs: Sequence[Run]) -> Numbers | None:
    found = curve(runs, "k_negatives", _METRICS, p_hard="0")
    if not found:
        return None
    accuracy = list(values_of(whole(runs), "pair_accuracy").values())
    return {
        "curve": found,
        "gains": gains_over(runs, "k_negatives", "1", p_hard="0"),
        "hard": float(np.mean(accuracy)) if accuracy else None,
    }


def _curves(seen: Seen) -> Seen:
    return {name: found["curve"] for name, found in seen.items()}


def _hard(seen: Seen) -> dict[str, float]:
    return {name: found["hard"] for name, found in seen.items() if found["hard"] is not None}


def _tell(seen: Seen) -> str:
    told = "; ".join(f"{name} {short(value, 3)}" for name, value in _hard(seen).items())
    gains = gains_table(seen, "k", "one random negative")
    return (
        f"{curve_table(_curves(seen), 'k')}\n\n{gains}\n\nWith hard negatives in their place: {told or 'not run'}. "
        f"{AND_BY_USERS}"
    )


FIGURE_2_BOTTOM = Claim(
    "figure_2_bottom",
    "Figure 2, bottom: the hardest of k random negatives",
    "accuracy rises with k up to 10^3 (Pandora, Spotify) or 10^2 (Piki), then falls, and stays below that of true "
    "hard negatives.",
    _measure,
    _tell,
    lambda seen, path: charts.curves(
        series(_curves(seen), "pair_accuracy"),
        "k (hardest of k random negatives)",
        "test pair accuracy",
        path,
        lines=_hard(seen),
        log=True,
    ),
)
