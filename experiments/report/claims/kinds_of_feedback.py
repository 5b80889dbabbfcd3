"""Kinds of feedback: in what is known of a user, and as the model has learnt them."""

import itertools
from collections.abc import Sequence

import numpy as np

from experiments.report import charts
from experiments.report.claims.claim import BY_REPETITIONS, Claim, Numbers, Seen
from experiments.report.curves import accuracy_of_those_with_only, by_share, mean_by_repeat, plain, whole
from experiments.report.intervals import Estimate, by_users, estimate
from experiments.report.runs import Run
from experiments.tables import markdown_table

_EDGES = np.linspace(0, 1, 6)
_PAIRS = ("up_down", "up_skip", "down_skip")
_ONLY = ("skips", "downs")


def _measure_figure_4(runs: Sequence[Run]) -> Numbers | None:
    share, accuracy = by_share(list(whole(runs).values()))
    if not len(share):
        return None
    bins = len(_EDGES) - 1
    place = np.minimum((share * bins).astype(int), bins - 1)
    means = [by_users(accuracy[place == b]) for b in range(bins)]
    return {
        "edges": plain(_EDGES),
        "accuracy": [mean.plain() for mean in means],
        "share_of_users": plain(np.bincount(place, minlength=bins) / len(place)),
        "histogram": plain(np.histogram(share, bins=20, range=(0, 1))[0] / len(share)),
    }


def _tell_figure_4(seen: Seen) -> str:
    table = [["", *(f"{a:.0%} to {b:.0%}" for a, b in itertools.pairwise(_EDGES))]]
    for name, found in seen.items():
        both = zip(map(Estimate.of, found["accuracy"]), found["share_of_users"], strict=True)
        table.append([name, *(f"{e.told(3)} ({share:.0%})" if e.number else "–" for e, share in both)])
    return (
        f"{markdown_table(table)}\n\nTest users by the share of ups in what is known of them, and in brackets how many "
        "of them there are. ± is half a 95 % interval, by users."
    )


FIGURE_4 = Claim(
    "figure_4",
    "Figure 4: accuracy by the share of positive feedback",
    "accuracy is fairly the same whatever the share; Pandora's users with almost no ups are 2 points lower, "
    "Spotify's with almost no skips 6 points higher.",
    _measure_figure_4,
    _tell_figure_4,
    charts.figure_4,
)


def _measure_feedback_types(runs: Sequence[Run]) -> Numbers | None:
    # As the paper does: over all models that were trained with hard negatives.
    hard = [r for r in runs if float(r.config.get("p_hard", 0)) > 0 and f"cosine/{_PAIRS[0]}" in r.metrics]
    hard = [r for r in hard if r.config.get("ablation", "none") == "none"]
    if not hard:
        return None
    # Runs of one seed are no repetitions of each other: their mean is.
    cosines = {pair: estimate(mean_by_repeat(hard, f"cosine/{pair}")) for pair in _PAIRS}
    only = {f"{kind}_only": by_users(accuracy_of_those_with_only(kind, hard)) for kind in _ONLY}
    return {"runs": len(hard)} | {name: found.plain() for name, found in (cosines | only).items()}


def _tell_feedback_types(seen: Seen) -> str:
    table = [["", "runs", *(pair.replace("_", " and ") for pair in _PAIRS), *(f"{kind} only" for kind in _ONLY)]]
    for name, found in seen.items():
        only = [Estimate.of(found[f"{kind}_only"]) for kind in _ONLY]
        cells = [Estimate.of(found[pair]).told(2) for pair in _PAIRS]
        cells += [f"{e.told(3)} ({e.number})" if e.number else "–" for e in only]
        table.append([name, str(found["runs"]), *cells])
    return (
        f"{markdown_table(table)}\n\nCosines of the learned embeddings over all models with `p_hard` above 0: "
        f"{BY_REPETITIONS}. The pair accuracy of users of whom only skips, or only downs, are known: in brackets how "
        "many there are, ± by users."
    )


FEEDBACK_TYPES = Claim(
    "feedback_types",
    "§5.3: kinds of feedback",
    "cosine of skip and down 0.82, of up and skip 0.16, of up and down 0.00 (Pandora); −0.53 of up and skip "
    "(Spotify), 0.39 of up and down (Piki).",
    _measure_feedback_types,
    _tell_feedback_types,
)
