"""`report.md` of a run."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig
from rich.table import Table

from experiments.negative_feedback.protocols import protocol_of
from experiments.own import metric_name
from experiments.tables import BY_POPULARITY, MAIN, RECALL, cell, markdown_table, rows, terminal_table
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.stats import format_table1, table1
from urep_jax.training.fit import Fit


def _coverage(metrics: Mapping[str, float]) -> list[list[str]]:
    """One row for each choice of inputs."""
    found = {key.removeprefix("coverage/"): key for key in metrics if key.startswith("coverage/") and "ci95" not in key}
    return [["inputs", "coverage"], *([name.replace("_", ", "), f"{metrics[key]:.1%}"] for name, key in found.items())]


def _only(metrics: Mapping[str, float]) -> str:
    """A sentence on users of whom only skips, or only downs, are known; empty if none is tested."""
    kinds = [kind for kind in ("skip", "down") if f"pair_accuracy/{kind}_only" in metrics]
    told = [f"{cell(metrics, f'pair_accuracy/{kind}_only')} where only {kind}s are known" for kind in kinds]
    return f" Pair accuracy is {', and '.join(told)}." if told else ""


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal, and those of one's own metrics apart."""
    tables = [terminal_table(metrics, f"{cfg.system} on {cfg.data.name}")]
    if own := [metric_name(place) for place in cfg.metrics]:
        tables.append(terminal_table(metrics, "metrics of your own", own))
    return tables


def page(cfg: DictConfig, log: EventLog, split: Split, metrics: Mapping[str, float], result: Fit, rejects: str) -> str:
    """`report.md`: what was done, on what, and what came out; `rejects` says what was left out of the data."""
    simulated = "simulated " if log.affinity is not None else ""
    own = [metric_name(place) for place in cfg.metrics]
    results = _pairs(metrics, split, own) if cfg.data.protocol == "pairs" else _next_item(metrics, split, own)
    title = protocol_of(cfg.data.protocol).title
    dropped = f"\n{rejects}.\n" if rejects else ""
    return f"""# Negative feedback on {simulated}{log.name}

{results}

![{title}](figures/compared.png)

## Training

`p_hard={cfg.p_hard}` `p_task={cfg.p_task}` `k_negatives={cfg.k_negatives}` `inputs={list(cfg.inputs)}`
`max_length={cfg.max_length}` `loss={cfg.loss}` `ablation={cfg.ablation}` `seed={cfg.seed}`

{len(result.history)} epochs; the best validation {title}, {result.best.validation:.3f} on
{split.validation.num_users:,} users, was reached in epoch {result.best.epoch}; epochs to convergence (the first within
0.002 of it): {result.epochs_to_convergence}.

![training](figures/training.png)

![sources of negatives](figures/hard_negative_sources.png)

## Data

{format_table1(table1(log, cfg.max_length))}

{len(split.train):,} sequences train. Test targets that training never saw: {metrics["unknown_items"]:.1%} of items,
{metrics["unknown_stations"]:.1%} of stations.
{dropped}"""


def _pairs(metrics: Mapping[str, float], split: Split, own: Sequence[str]) -> str:
    return f"""{markdown_table(rows(metrics, (*MAIN, *RECALL, *own)))}

± is half a 95 % interval, by users. Pair accuracy: share of a test user's (up, down) pairs, on one station where there
are stations, whose up is scored higher; averaged over {split.test.num_users:,} users. Random pairs: against random
tracks. MRR and recall: over the full catalogue less what the user was up for.

## The tail

{markdown_table(rows(metrics, BY_POPULARITY))}

Results by the popularity of the up: the head draws half of all training ups, the middle 30 %, the tail the rest. The
popularity of the ten tracks that are recommended is the share of the catalogue that has fewer ups.

## Whom it reaches

{markdown_table(_coverage(metrics))}

Share of the users with any past of whom a model with these inputs can read something.{_only(metrics)}"""


def _next_item(metrics: Mapping[str, float], split: Split, own: Sequence[str]) -> str:
    return f"""{markdown_table(rows(metrics, (*MAIN, "recommended_popularity", *own)))}

± is half a 95 % interval, by users. NDCG and recall: the next item's place in the full catalogue less all that the user
has met; averaged over {split.test.num_users:,} users."""
