"""Parts of the system: the model without each of its own, and two models of which one finds and one ranks."""

from collections.abc import Sequence

from experiments.report.claims.claim import AND_BY_USERS, BY_REPETITIONS, Claim, Numbers, Seen
from experiments.report.curves import gain, whole
from experiments.report.intervals import Estimate, estimate, told_gain, values_of
from experiments.report.rows import metrics_of
from experiments.report.runs import Run, sweep_of
from experiments.tables import MAIN, RECALL, TITLES, digits, markdown_table

_STAGES = {"random_negatives": "finder alone", "model": "ranker alone", "two_stages": "two stages"}
_STAGE_METRICS = ("pair_accuracy", *MAIN[-2:], *RECALL, "recommended_popularity")


def _measure_table_2(runs: Sequence[Run]) -> Numbers | None:
    sweep = sweep_of(runs, "ablation")
    complete = sweep.pop("none", None)
    if complete is None:
        return None
    # Without hard negatives is p_hard=0, so that a sweep over either serves.
    if random := sweep_of(runs, "p_hard", k_negatives="1").get("0"):
        sweep = {"hard_negatives": random} | sweep
    return {
        part: {
            "pair_accuracy": estimate(list(values_of(repeats, "pair_accuracy").values())).plain(),
            "change": gain(repeats, complete) if part != "none" else None,
        }
        for part, repeats in ({"none": complete} | sweep).items()
    }


def _tell_table_2(seen: Seen) -> str:
    table = [["without", "", "pair accuracy", "change in points", "by users"]]
    for name, found in seen.items():
        for part, own in found.items():
            title = part.replace("_", " ") if part != "none" else "nothing"
            change = told_gain(own["change"], 1, scale=100) if own["change"] else ["–", "–"]
            table.append([title, name, Estimate.of(own["pair_accuracy"]).told(3), *change])
    return f"{markdown_table(table)}\n\n{AND_BY_USERS}"


TABLE_2 = Claim(
    "table_2",
    "Table 2: the ablation",
    "by far the most of the 6 points comes from hard negatives in the loss; feedback in the input gives an order "
    "of magnitude less; half the length helps Spotify slightly and hurts Pandora slightly.",
    _measure_table_2,
    _tell_table_2,
)


def _measure_two_stages(runs: Sequence[Run]) -> Numbers | None:
    with_both = list(whole([run for run in runs if "two_stages/mrr_up" in run.metrics]).values())
    if not with_both:
        return None
    compared = {title: [metrics_of(run.metrics, model) for run in with_both] for model, title in _STAGES.items()}
    # What two stages are good for is what one model between the two is not.
    for value, repeats in sweep_of(runs, "p_hard", k_negatives="1").items():
        if 0 < float(value) < 1:
            compared[f"one model, p_hard={value}"] = [run.metrics for run in repeats.values()]
    return {
        title: {metric: estimate([found[metric] for found in runs_of_it]).plain() for metric in _STAGE_METRICS}
        for title, runs_of_it in compared.items()
    }


def _tell_two_stages(seen: Seen) -> str:
    table = [["", "", *(TITLES[metric] for metric in _STAGE_METRICS)]]
    for name, found in seen.items():
        for title, own in found.items():
            table.append([name, title, *(Estimate.of(own[metric]).told(digits(metric)) for metric in _STAGE_METRICS)])
    return (
        f"{markdown_table(table)}\n\nItems that aren't found rank alike, behind those that are: a pair of two such "
        f"counts half. {BY_REPETITIONS}."
    )


TWO_STAGES = Claim(
    "two_stages",
    "§5.2.3: candidates by one model, ranked by another",
    "it may be better to find candidates with a low `p_hard`, and to rank them with a high one.",
    _measure_two_stages,
    _tell_two_stages,
)
