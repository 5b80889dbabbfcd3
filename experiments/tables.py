"""Results as tables, for the terminal and for `report.md`."""

import re
from collections.abc import Mapping

from omegaconf import DictConfig
from rich import box
from rich.table import Table

from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.stats import format_table1, table1
from urep_jax.evaluation.by_user import ByUser
from urep_jax.training.fit import Fit

Results = Mapping[str, Mapping[str, ByUser]]
"""Each protocol's result, by model and metric."""

_TITLES = {
    "pair_accuracy": "pair accuracy",
    "random_pair_accuracy": "random pairs",
    "mrr_up": "MRR up",
    "mrr_down": "MRR down",
    "recall_up@10": "recall@10 up",
    "recall_down@10": "recall@10 down",
}


def rows(metrics: Mapping[str, float]) -> list[list[str]]:
    """One row for each metric in `metrics.json`, one column for each model; the header comes first."""
    names = ["", *dict.fromkeys(key.removesuffix("pair_accuracy") for key in metrics if key.endswith("/pair_accuracy"))]
    table = [["", *(name.rstrip("/").replace("_", " ") or "model" for name in names)]]
    for metric, title in _TITLES.items():
        digits = 4 if metric.startswith(("mrr", "recall")) else 3
        table.append([title, *(_cell(metrics, name + metric, digits) for name in names)])
    return table


def _cell(metrics: Mapping[str, float], name: str, digits: int) -> str:
    if name not in metrics:
        return "–"
    return f"{short(metrics[name], digits)} ±{short(metrics[f'{name}_ci95'], digits)}"


def short(value: float, digits: int) -> str:
    """A share as tables of the field print it: `.701`."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def terminal_table(metrics: Mapping[str, float], title: str) -> Table:
    """The results for a terminal."""
    header, *body = rows(metrics)
    caption = "± is half a 95 % interval, by users"
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=box.SIMPLE_HEAD)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i == 0 else "right", no_wrap=True)
    for row in body:
        table.add_row(*row)
    return table


def markdown_table(table: list[list[str]]) -> str:
    """A table in Markdown, its first column a name."""
    header, *body = table
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *body))


def _coverage(metrics: Mapping[str, float]) -> list[list[str]]:
    """One row for each choice of inputs."""
    found = {key.removeprefix("coverage/"): key for key in metrics if key.startswith("coverage/") and "ci95" not in key}
    return [["inputs", "coverage"], *([name.replace("_", ", "), f"{metrics[key]:.1%}"] for name, key in found.items())]


def _only(metrics: Mapping[str, float]) -> str:
    """A sentence on users of whom only skips, or only downs, are known; empty if none is tested."""
    kinds = [kind for kind in ("skip", "down") if f"pair_accuracy/{kind}_only" in metrics]
    told = [f"{_cell(metrics, f'pair_accuracy/{kind}_only', 3)} where only {kind}s are known" for kind in kinds]
    return f" Pair accuracy is {', and '.join(told)}." if told else ""


def report(cfg: DictConfig, log: EventLog, split: Split, metrics: Mapping[str, float], result: Fit) -> str:
    """`report.md`: what was done, on what, and what came out."""
    simulated = "simulated " if log.affinity is not None else ""
    return f"""# Negative feedback on {simulated}{log.name}

{markdown_table(rows(metrics))}

± is half a 95 % interval, by users. Pair accuracy: share of a test user's (up, down) pairs, on one station where there
are stations, whose up is scored higher; averaged over {split.test.num_users:,} users. Random pairs: against random
tracks. MRR and recall: over the full catalogue less what the user was up for.

![pair accuracy](figures/pair_accuracy.png)

## Training

`p_hard={cfg.p_hard}` `p_task={cfg.p_task}` `k_negatives={cfg.k_negatives}` `inputs={list(cfg.inputs)}`
`max_length={cfg.max_length}` `loss={cfg.loss}` `seed={cfg.seed}`

{len(result.history)} epochs; the best validation pair accuracy, {result.best.validation:.3f} on
{split.validation.num_users:,} users, was reached in epoch {result.best.epoch}; epochs to convergence (the first within
0.002 of it): {result.epochs_to_convergence}.

![training](figures/training.png)

![sources of negatives](figures/hard_negative_sources.png)

## Whom it reaches

{markdown_table(_coverage(metrics))}

Share of the users with any past of whom a model with these inputs can read something.{_only(metrics)}

## Data

{format_table1(table1(log, cfg.max_length))}

{len(split.train):,} sequences train. Test targets that training never saw: {metrics["unknown_items"]:.1%} of items,
{metrics["unknown_stations"]:.1%} of stations.
"""
