"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping

import numpy as np
from omegaconf import DictConfig
from rich.table import Table

from experiments.modality_encoders.tested import LABELS, Tested
from experiments.tables import cell, markdown_table, model_title, short, simple_table
from experiments.user_representation.encoders import NDCG, Encoded
from urep_jax.data.log import EventLog
from urep_jax.evaluation.paired import paired_difference

METRICS = {"r_precision": "R-precision", NDCG: "NDCG@500", "recall@10": "recall@10", "recall@100": "recall@100"}
"""What a person is told of each metric of `evaluation.continuation`."""


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal: continuation, and purity."""
    names = [key.removeprefix("known/") for key in metrics if key.startswith("known/")]
    rows = [["", *METRICS.values()]]
    pure = _purity_header(cfg)
    for name in names:
        rows.append([name, *_cells(metrics, name)])
        rows += [[f"  {model_title(model)}", *_cells(metrics, f"{name}/{model}")] for model in cfg.baselines]
        pure += [[f"{name}: {row[0]}", *row[1:]] for row in _purity_rows(metrics, name)]
    tables = [simple_table(rows, f"continuation of playlists on {cfg.data.name}", _BY_PLAYLISTS)]
    if len(pure) > 1:
        tables.append(simple_table(pure, "neighbours that have it in common", _BY_TRACKS))
    return tables


_BY_PLAYLISTS = "± is half a 95 % interval, by playlists"
_BY_TRACKS = "± is half a 95 % interval, by tracks"


def page(
    cfg: DictConfig,
    playlists: EventLog,
    encoded: Mapping[str, Encoded],
    tested: Mapping[str, Tested],
    metrics: Mapping[str, float],
    rejects: str,
) -> str:
    """`report.md`: what was done, on what, and what came out; `rejects` says what was left out of the data."""
    dropped = f"\n{rejects}.\n" if rejects else ""
    sections = "\n".join(_section(cfg, name, encoded[name], tested[name], metrics) for name in encoded)
    return f"""# Modality encoders on {playlists.name}

{playlists.num_sequences:,} playlists with {playlists.num_events:,} places of {playlists.num_items:,} tracks.
{dropped}
{sections}
## How to read it

Some playlists lose their last fifth. An encoder ranks all tracks that the rest doesn't hold by nearness to the mean of
what the rest holds; a baseline is fitted to the same playlists, and ranks by its own scores. A track without a vector
counts as not found. Nearly all others were in training too, so that a large encoder of content may know them by heart
rather than by their content. "Over it" is how far the encoder is ahead, playlist by playlist. {_BY_PLAYLISTS}.

Neighbours are the {cfg.neighbours} tracks nearest by cosine, of those with a vector whose label is known; by chance is
what tracks drawn at random would have in common. {_BY_TRACKS}, as if tracks had nothing to do with each other.
"""


def _section(cfg: DictConfig, name: str, encoded: Encoded, tested: Tested, metrics: Mapping[str, float]) -> str:
    modality, sets, split, fit = encoded
    known = f"{metrics[f'known/{name}']:.1%}"
    together = " and ".join(cfg.data.modalities[name].together)
    best = (
        "Nothing is learnt." if fit is None else f"The best of {len(fit.history)} epochs was number {fit.best.epoch}."
    )
    return f"""## {name}

Of {together}: {sets.num_sequences:,} sets with {sets.num_events:,} places of {sets.num_items:,} tracks;
{len(split.test):,} of the sets test. {len(modality.item_ids):,} tracks have a vector of {modality.width} numbers, and
{known} of those that are asked for. {best}

{_continuation(name, tested, metrics)}

![continuation](figures/{name}_continuation.png)

{_purity(cfg, name, metrics)}

![training](figures/{name}_training.png)
"""


def _cells(metrics: Mapping[str, float], who: str) -> list[str]:
    return [cell(metrics, f"continuation/{who}/{metric}") for metric in METRICS]


def _continuation(name: str, tested: Tested, metrics: Mapping[str, float]) -> str:
    rows = [["", *METRICS.values(), f"over it, {METRICS[NDCG]}"], [name, *_cells(metrics, name), ""]]
    for model, results in tested.baselines.items():
        ahead = paired_difference(tested.continued[NDCG], results[NDCG])
        told = f"{'+' * (ahead.mean >= 0)}{short(ahead.mean, 4)} ±{short(ahead.ci95, 4)}"
        rows.append([model_title(model), *_cells(metrics, f"{name}/{model}"), told])
    return markdown_table(rows)


def _purity_header(cfg: DictConfig) -> list[list[str]]:
    return [["", f"of the {cfg.neighbours} nearest", "by chance", "times chance"]]


def _purity_rows(metrics: Mapping[str, float], name: str) -> list[list[str]]:
    rows = []
    for label in LABELS:
        key = f"purity/{name}/{label}"
        if key in metrics:
            share, chance = metrics[key], metrics[f"{key}/chance"]
            times = "–" if not chance else np.format_float_positional(share / chance, 2, fractional=False, trim="-")
            rows.append([label, cell(metrics, key), short(chance, 5), times])
    return rows


def _purity(cfg: DictConfig, name: str, metrics: Mapping[str, float]) -> str:
    rows = _purity_rows(metrics, name)
    return markdown_table([*_purity_header(cfg), *rows]) if rows else "The data tells of no artists, and of no genres."
