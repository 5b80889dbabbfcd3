"""The figures and tables of the negative-feedback paper, made again from runs: one function for each claim.

Each takes the runs of every data set, and gives nothing where they don't hold what it needs.
"""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.report import charts
from experiments.report.curves import (
    accuracy_of_those_with_only,
    by_share,
    curve_table,
    curves,
    gain,
    mean_by_repeat,
    mean_where_known,
    plain,
    plain_curves,
    series,
    whole,
)
from experiments.report.intervals import by_users, estimate, values_of
from experiments.report.runs import Runs, sweep_of
from experiments.tables import BY_POPULARITY, MAIN, RECALL, TITLES, digits, markdown_table, short
from urep_jax.data.hard_negatives import Rung
from urep_jax.data.stats import Table1, format_table1

_HALVES = "± is half a 95 % interval, by repetitions (seeds, or worlds)"


class Claim(NamedTuple):
    """What the paper says, beside what was seen.

    Attributes:
        name: of its figure, and in `report.json`.
        title: a heading.
        paper: what the paper says.
        text: tables in Markdown, and a line on how to read them.
        data: the numbers, plain JSON values.
        draw: draws its figure; None if it has none.
    """

    name: str
    title: str
    paper: str
    text: str
    data: Mapping[str, Any]
    draw: Callable[[Path], None] | None = None


def table_1(runs: Runs) -> Claim | None:
    """Table 1: the data sets."""
    found = {name: own[0].json("table1.json") for name, own in runs.items()}
    tables = [Table1(**{**table, "feedback_types": tuple(table["feedback_types"])}) for table in found.values()]
    return Claim(
        "table_1",
        "Table 1: the data sets",
        "ups : skips : downs are 1.1:0:1 (Piki), 1:0.9:0 (Spotify) and 4:13:1 (Pandora); 32 % of Pandora's users and "
        "37 % of Spotify's give no up.",
        format_table1(*tables),
        found,
    )


def figure_1(runs: Runs) -> Claim | None:
    """Fig. 1: where hard negatives come from."""
    shares = {}
    for name, own in runs.items():
        tables = [run.figure_table("hard_negative_sources.csv") for run in whole(own).values()]
        if tables and len({table.shape for table in tables}) == 1:
            shares[name] = mean_where_known(tables)
    if not shares:
        return None
    table = [["", *(rung.name.lower().replace("_", " ") for rung in Rung)]]
    table += [[name, *(f"{share:.0%}" for share in mean_where_known(list(s)))] for name, s in shares.items()]
    return Claim(
        "figure_1",
        "Figure 1: sources of hard negatives",
        "recent positions take more random negatives, for there is less future feedback by definition; Spotify has "
        "only same-day skips, Piki hardly any future.",
        markdown_table(table) + "\n\nShare of the task positions, as a mean over positions, with `p_hard=1`.",
        {name: {rung.name.lower(): plain(s[:, rung]) for rung in Rung} for name, s in shares.items()},
        lambda path: charts.sources(shares, path),
    )


def figure_2_top(runs: Runs) -> Claim | None:
    """Fig. 2, top: accuracy over `p_hard`."""
    found = curves(runs, "p_hard", ("pair_accuracy", "random_pair_accuracy"), k_negatives="1")
    if not found:
        return None
    gains = [["", "p_hard", "over random negatives", "by users"]]
    for name, own in runs.items():
        sweep = sweep_of(own, "p_hard", k_negatives="1")
        for value, repeats in sweep.items():
            if float(value) > 0 and "0" in sweep:
                gains.append([name, value, *gain(repeats, sweep["0"])])
    return Claim(
        "figure_2_top",
        "Figure 2, top: accuracy over `p_hard`",
        "accuracy is considerably higher for any `p_hard` above 0, and quickly plateaus; hard negatives and feedback "
        "inputs together give 6 points.",
        f"{curve_table(found, 'p_hard')}\n\n{markdown_table(gains)}\n\n{_HALVES}; by users: each user's mean "
        "difference over them.",
        plain_curves(found),
        lambda path: charts.curves(series(found, "pair_accuracy"), "p_hard", "test pair accuracy", path),
    )


def figure_2_bottom(runs: Runs) -> Claim | None:
    """Fig. 2, bottom: accuracy over the hardest of k."""
    found = curves(runs, "k_negatives", ("pair_accuracy", "random_pair_accuracy", "mrr_up", "mrr_down"), p_hard="0")
    if not found:
        return None
    hard = {}
    for name, own in runs.items():
        accuracy = list(values_of(whole(own), "pair_accuracy").values())
        if accuracy and name in found:
            hard[name] = float(np.mean(accuracy))
    told = "; ".join(f"{name} {value:.3f}" for name, value in hard.items())
    return Claim(
        "figure_2_bottom",
        "Figure 2, bottom: the hardest of k random negatives",
        "accuracy rises with k up to 10^3 (Pandora, Spotify) or 10^2 (Piki), then falls, and stays below that of true "
        "hard negatives.",
        f"{curve_table(found, 'k')}\n\nWith hard negatives in their place: {told or 'not run'}.\n\n{_HALVES}.",
        plain_curves(found) | {"hard": hard},
        lambda path: charts.curves(
            series(found, "pair_accuracy"),
            "k (hardest of k random negatives)",
            "test pair accuracy",
            path,
            hard,
            True,
        ),
    )


def figure_3(runs: Runs) -> Claim | None:
    """Fig. 3: epochs to convergence, and reciprocal ranks, over `p_hard`."""
    metrics = ("epochs_to_convergence", "mrr_up", "mrr_down", *RECALL)
    found = curves(runs, "p_hard", metrics, k_negatives="1")
    if not found:
        return None
    ratios = [["", "epochs with p_hard=1 to epochs with 0"]]
    for name, own in runs.items():
        sweep = sweep_of(own, "p_hard", k_negatives="1")
        ends = [values_of(sweep[end], metrics[0]) for end in ("1", "0") if end in sweep]
        if len(ends) == 2:
            common = sorted(set(ends[0]) & set(ends[1]), key=str)
            # Ratios are pooled by their logarithm: half and twice are alike.
            if len(common) < 2:
                continue
            log_ratio = estimate([float(np.log(ends[0][r] / ends[1][r])) for r in common])
            low, mean, high = np.exp([log_ratio.mean - log_ratio.half, log_ratio.mean, log_ratio.mean + log_ratio.half])
            ratios.append([name, f"{short(mean, 2)} ({short(low, 2)} to {short(high, 2)})"])
    return Claim(
        "figure_3",
        "Figure 3: training time and ranks over `p_hard`",
        "training takes about 60 % less time with hard negatives; the reciprocal ranks of ups and downs both fall with "
        "`p_hard`, those of downs faster.",
        f"{curve_table(found, 'p_hard')}\n\n{markdown_table(ratios)}\n\n{_HALVES}.",
        plain_curves(found),
        lambda path: charts.figure_3({metric: series(found, metric) for metric in metrics[:3]}, path),
    )


def figure_4(runs: Runs) -> Claim | None:
    """Fig. 4: accuracy by the share of positive feedback, and how users spread over it."""
    edges = np.linspace(0, 1, 6)
    data: dict[str, Any] = {}
    table = [["", *(f"{a:.0%} to {b:.0%}" for a, b in itertools.pairwise(edges))]]
    for name, own in runs.items():
        share, accuracy = by_share(list(whole(own).values()))
        if not len(share):
            continue
        place = np.minimum((share * (len(edges) - 1)).astype(int), len(edges) - 2)
        means = [by_users(accuracy[place == b]) for b in range(len(edges) - 1)]
        counts = np.bincount(place, minlength=len(edges) - 1) / len(place)
        finer = np.histogram(share, bins=20, range=(0, 1))[0] / len(share)
        data[name] = {
            "edges": plain(edges),
            "accuracy": plain(np.array([e.mean for e in means])),
            "half": plain(np.array([e.half for e in means])),
            "share_of_users": plain(counts),
            "histogram": plain(finer),
        }
        table.append(
            [name, *(f"{e.told(3)} ({c:.0%})" if e.number else "–" for e, c in zip(means, counts, strict=True))]
        )
    if not data:
        return None
    return Claim(
        "figure_4",
        "Figure 4: accuracy by the share of positive feedback",
        "accuracy is fairly the same whatever the share; Pandora's users with almost no ups are 2 points lower, "
        "Spotify's with almost no skips 6 points higher.",
        markdown_table(table)
        + "\n\nTest users by the share of ups in what is known of them, and in brackets how many of them "
        "there are. ± is half a 95 % interval, by users.",
        data,
        lambda path: charts.figure_4(data, path),
    )


def table_2(runs: Runs) -> Claim | None:
    """Table 2: the ablation."""
    table = [["without", "", "pair accuracy", "change in points", "by users"]]
    data: dict[str, Any] = {}
    for name, own in runs.items():
        sweep = sweep_of(own, "ablation")
        if "none" not in sweep:
            continue
        complete = sweep.pop("none")
        for part, repeats in ({"none": complete} | sweep).items():
            accuracy = list(values_of(repeats, "pair_accuracy").values())
            told = ["–", "–"] if part == "none" else gain(repeats, complete, scale=100)
            table.append(
                [part.replace("_", " ") if part != "none" else "nothing", name, estimate(accuracy).told(3), *told]
            )
            data.setdefault(name, {})[part] = accuracy
    if not data:
        return None
    return Claim(
        "table_2",
        "Table 2: the ablation",
        "by far the most of the 6 points comes from hard negatives in the loss; feedback in the input gives an order "
        "of magnitude less; half the length helps Spotify slightly and hurts Pandora slightly.",
        f"{markdown_table(table)}\n\n{_HALVES}; by users: each user's mean difference over them.",
        data,
    )


def popularity(runs: Runs) -> Claim | None:
    """§5.2.2 and §5.2.3: the tail, and the popularity of what is recommended."""
    found = curves(runs, "p_hard", BY_POPULARITY, k_negatives="1")
    if not found:
        return None
    return Claim(
        "popularity",
        "§5.2.2, §5.2.3: the tail, and the popularity of what is recommended",
        "more hard negatives may give poorer recommendations of tail songs, and give generally less popular ones.",
        f"{curve_table(found, 'p_hard')}\n\nThe head draws half of all training ups, the middle 30 %, the tail the "
        f"rest. Popularity: the share of the catalogue that has fewer ups. {_HALVES}.",
        plain_curves(found),
        lambda path: charts.curves(series(found, "recommended_popularity"), "p_hard", "popularity of the top 10", path),
    )


def two_stages(runs: Runs) -> Claim | None:
    """§5.2.3: one model finds, another ranks."""
    metrics = ("pair_accuracy", *MAIN[-2:], *RECALL, "recommended_popularity")
    table = [["", "", *(TITLES[metric] for metric in metrics)]]
    data: dict[str, Any] = {}
    names = {"random_negatives": "finder alone", "model": "ranker alone", "two_stages": "two stages"}
    for name, own in runs.items():
        with_both = list(whole([run for run in own if "two_stages/mrr_up" in run.metrics]).values())
        for model, title in names.items() if with_both else ():
            prefix = "" if model == "model" else f"{model}/"
            values = {m: [run.metrics[prefix + m] for run in with_both] for m in metrics}
            table.append([name, title, *(estimate(values[m]).told(digits(m)) for m in metrics)])
            data.setdefault(name, {})[model] = values
    if not data:
        return None
    return Claim(
        "two_stages",
        "§5.2.3: candidates by one model, ranked by another",
        "it may be better to find candidates with a low `p_hard`, and to rank them with a high one.",
        f"{markdown_table(table)}\n\n{_HALVES}.",
        data,
    )


def feedback_types(runs: Runs) -> Claim | None:
    """§5.3: cosines between the feedback embeddings, and users of whom only skips or downs are known."""
    pairs = ("up_down", "up_skip", "down_skip")
    table = [["", "runs", *(pair.replace("_", " and ") for pair in pairs), "skips only", "downs only"]]
    data: dict[str, Any] = {}
    for name, own in runs.items():
        # As the paper does: over all models that were trained with hard negatives.
        hard = [r for r in own if float(r.config.get("p_hard", 0)) > 0 and f"cosine/{pairs[0]}" in r.metrics]
        hard = [r for r in hard if r.config.get("ablation", "none") == "none"]
        if not hard:
            continue
        # Runs of one seed are no repetitions of each other: their mean is.
        values = {pair: mean_by_repeat(hard, f"cosine/{pair}") for pair in pairs}
        only = {kind: by_users(accuracy_of_those_with_only(kind, hard)) for kind in ("skips", "downs")}
        cells = [estimate(v).told(2) for v in values.values()]
        cells += [f"{e.told(3)} ({e.number})" if e.number else "–" for e in only.values()]
        table.append([name, str(len(hard)), *cells])
        data[name] = values | {f"{kind}_only": [*plain(np.array(e[:2])), e.number] for kind, e in only.items()}
    if not data:
        return None
    return Claim(
        "feedback_types",
        "§5.3: kinds of feedback",
        "cosine of skip and down 0.82, of up and skip 0.16, of up and down 0.00 (Pandora); −0.53 of up and skip "
        "(Spotify), 0.39 of up and down (Piki).",
        f"{markdown_table(table)}\n\nCosines of the learned embeddings over all models with `p_hard` above 0: "
        f"{_HALVES}. The pair accuracy of users of whom only skips, or only downs, are known: in brackets how many "
        "there are, ± by users.",
        data,
    )


def coverage(runs: Runs) -> Claim | None:
    """§5.1: whom more inputs reach."""
    choices = ("up", "up_down", "up_skip", "up_down_skip")
    found = {
        name: {choice: own[0].metrics[f"coverage/{choice}"] for choice in choices}
        for name, own in runs.items()
        if f"coverage/{choices[0]}" in own[0].metrics
    }
    if not found:
        return None
    table = [["", *(choice.replace("_", ", ") for choice in choices)]]
    table += [[name, *(f"{share:.1%}" for share in shares.values())] for name, shares in found.items()]
    return Claim(
        "coverage",
        "§5.1: whom a model reaches, by its inputs",
        "skips as inputs let the model serve 50 % (Pandora) and 37 % (Spotify) more users.",
        f"{markdown_table(table)}\n\nShare of the users with any past of whom a model with these inputs can read "
        "something.",
        found,
    )


CLAIMS = (
    *(table_1, coverage, figure_1, figure_2_top, figure_2_bottom, figure_3, figure_4, table_2),
    *(popularity, two_stages, feedback_types),
)
"""In the order of a report."""
