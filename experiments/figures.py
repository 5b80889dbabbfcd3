"""Figures of a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from experiments.processes import is_first
from experiments.tables import model_title
from urep_jax.data.hard_negatives import Rung
from urep_jax.training.fit import Epoch

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_BASELINES = (
    *map(model_title, ("popularity", "like_rate", "item_knn", "ease", "logistic_factors", "oracle", "random")),
    *("demographic popularity", "average embeddings", "PCA", "NMF", "LightFM", "curated features"),
    *("z_u, as found", "curated features, as found"),
)
"""Drawn in ink; what is of our own training stands out."""

INK, _ACCENT, QUIET, _MUTED = "#222222", "#1f6f8b", "#b9c4c9", "#7d8a90"
COLORS = ("#1f6f8b", "#c8553d", "#7a9e43", "#7b5ea7", "#e09f3e")
"""Of data sets."""
KINDS = (*COLORS, "#d77fa1", "#5b4a3f", "#4fb3bf")
"""Of kinds of points."""
_RUNG_LOOK = {
    Rung.SAME_DAY_DOWN: ("same-day down", "#7a1f2b"),
    Rung.SAME_DAY_SKIP: ("same-day skip", "#c8553d"),
    Rung.FUTURE_DOWN: ("future down", "#e09f3e"),
    Rung.FUTURE_SKIP: ("future skip", "#f3d9a4"),
    Rung.RANDOM: ("random", "#d5dde0"),
}
STYLE: Any = {
    "figure.dpi": 150,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "legend.frameon": False,
}


def training_curves(history: Sequence[Epoch], title: str, path: Path) -> None:
    """Loss, and validation (`title` names its metric) with its best epoch, by epoch."""
    epochs = [e.epoch for e in history]
    best = max(history, key=lambda e: e.validation)
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained")
        left.plot(epochs, [e.loss for e in history], color=INK)
        left.set(xlabel="epoch", ylabel="training loss")
        right.plot(epochs, [e.validation for e in history], color=_ACCENT)
        right.plot(best.epoch, best.validation, "o", color=_ACCENT)
        # Words near an edge lean inwards, off the axis.
        side = (best.epoch - epochs[0]) / max(1, len(epochs) - 1)
        leaning = "left" if side < 0.2 else "right" if side > 0.8 else "center"
        place: Any = {"xytext": (0, 5), "textcoords": "offset points", "ha": leaning}
        right.annotate(f"best: {best.validation:.3f}", (best.epoch, best.validation), **place)
        right.margins(y=0.15)
        right.set(xlabel="epoch", ylabel=f"validation {title}")
        for axes in (left, right):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        save(figure, path)


def compared(results: Mapping[str, tuple[float, float]], title: str, path: Path) -> None:
    """One metric of models and baselines: means with half-widths of 95 % intervals (NaN for none).

    Args:
        results: by the model's title.
        title: of the metric, with whom it is of.
        path: of the figure.
    """
    names = sorted(results, key=lambda name: results[name])
    with plt.rc_context(STYLE):
        # A name takes about .07 inches a letter.
        size = (4.2 + 0.07 * max(map(len, names)), 0.6 + 0.38 * len(names))
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        for y, name in enumerate(names):
            value, half = results[name]
            color = INK if name in _BASELINES else _ACCENT
            axes.errorbar(value, y, xerr=np.nan_to_num(half), fmt="o", color=color, capsize=3)
            place: Any = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
            axes.annotate(f"{value:.3f}", (value, y), **place, color=color, fontsize=8)
        if title == "test pair accuracy":
            axes.axvline(0.5, color=QUIET, lw=1, ls="--", zorder=0)
            axes.annotate("a coin", (0.5, -0.5), xytext=(3, 0), textcoords="offset points", color=_MUTED, fontsize=7)
        axes.set_yticks(range(len(names)), names)
        axes.margins(x=0.1)
        axes.set(xlabel=title, ylim=(-0.6, len(names) - 0.3))
        save(figure, path)


def hard_negative_sources(shares: np.ndarray, path: Path) -> None:
    """Where the negatives at each position come from (Fig. 1 of the paper).

    Args:
        shares: L x 5, from `rung_shares`.
        path: of the PNG.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
        stack_sources(axes, shares)
        axes.set(xlabel="position in the sequence (latest at the right)", ylabel="share of negatives")
        figure.legend(loc="outside right center")
        save(figure, path)


def scattered(places: Float[np.ndarray, "N 2"], kinds: Sequence[str], title: str, path: Path) -> None:
    """Points of a plane that has no scale, coloured by their kind; all but the eight most frequent kinds are grey.

    Args:
        places: of the points.
        kinds: of each of them; empty where it has none.
        title: what kinds are.
        path: of the figure.
    """
    kind_N = np.array(kinds)
    count = sorted(Counter(filter(None, kinds)).items(), key=lambda one: (-one[1], one[0]))
    told = {kind: color for (kind, _), color in zip(count, KINDS, strict=False)}
    is_other_N = ~np.isin(kind_N, list(told))
    look: Any = {"s": 9, "linewidths": 0, "alpha": 0.85}
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
        if is_other_N.any():
            axes.scatter(*places[is_other_N].T, color=QUIET, label="others", **look)
        for kind, color in told.items():
            axes.scatter(*places[kind_N == kind].T, color=color, label=kind, **look)
        axes.set(xticks=[], yticks=[], aspect="equal")
        axes.spines[:].set_visible(False)
        if told:
            handles, labels = axes.get_legend_handles_labels()
            # Drawn first, so that nothing lies below them, but told last.
            first = int(is_other_N.any())
            handles, labels = handles[first:] + handles[:first], labels[first:] + labels[:first]
            figure.legend(handles, labels, loc="outside right upper", title=title, markerscale=2, alignment="left")
        save(figure, path)


def over_ages(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    ages: Sequence[str],
    metric: str,
    path: Path,
) -> None:
    """One metric of groups of users over the age of their vectors.

    Args:
        panels: by what is predicted, and by group: means, and half-widths of the intervals.
        ages: what they are told as.
        metric: its title.
        path: of the figure.
    """
    with plt.rc_context(STYLE):
        figure, places = plt.subplots(1, len(panels), figsize=(7, 3), layout="constrained", sharey=True, squeeze=False)
        groups = list(dict.fromkeys(group for own in panels.values() for group in own))
        for axes, (title, own) in zip(places[0], panels.items(), strict=True):
            for n, group in enumerate(group for group in groups if group in own):
                values, halves = own[group]
                # Side by side, so that no interval hides another.
                x = np.arange(len(ages)) + 0.06 * (n - (len(own) - 1) / 2)
                color = KINDS[groups.index(group) % len(KINDS)]
                axes.errorbar(x, values, halves, color=color, marker="o", ms=3, lw=1.2, label=group)
            axes.set_xticks(range(len(ages)), ages)
            axes.set(title=title, xlabel="age of the vectors")
        places[0][0].set_ylabel(metric)
        handles, labels = places[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")
        save(figure, path)


def over_weeks(curves: Mapping[str, tuple[ArrayLike, ArrayLike]], title: str, path: Path) -> None:
    """What listeners have week by week with each agent, the agents' names beside the ends of their lines.

    Args:
        curves: by agent: means of each week, and half-widths of their intervals.
        title: of what it is.
        path: of the figure.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
        ends = {}
        for (agent, (means, halves)), color in zip(curves.items(), KINDS, strict=False):
            mean_W, half_W = np.asarray(means), np.nan_to_num(np.asarray(halves))
            week_W = np.arange(1, len(mean_W) + 1)
            axes.plot(week_W, mean_W, color=color, lw=1.6, ls="--" if agent == "oracle" else "-")
            axes.fill_between(week_W, mean_W - half_W, mean_W + half_W, color=color, alpha=0.15, lw=0)
            ends[agent] = (float(mean_W[-1]), color)
        low, high = axes.get_ylim()
        last, gap = len(week_W), 0.055 * (high - low)
        # Each at least a line's height above the one below.
        at = -np.inf
        for agent, (end, color) in sorted(ends.items(), key=lambda item: item[1][0]):
            at = max(end, at + gap)
            axes.annotate(agent, (last, at), xytext=(6, 0), textcoords="offset points", color=color, va="center")
        axes.set(xlabel="week", ylabel=title, ylim=(min(low, 0), high), xticks=week_W)
        axes.yaxis.label.set_color(INK)
        save(figure, path)


def stack_sources(axes: Axes, shares: np.ndarray) -> None:
    """Draw the shares of the sources as bars upon each other; neighbouring positions are pooled to about 50 bars."""
    length = len(shares)
    width = max(1, length // 50)
    first = np.arange(0, length, width)
    pooled = np.array([_mean_of_rows(shares[i : i + width]) for i in first])
    bottom = np.zeros(len(first))
    for rung, (label, color) in _RUNG_LOOK.items():
        axes.bar(first, pooled[:, rung], width, bottom, align="edge", color=color, label=label)
        bottom += np.nan_to_num(pooled[:, rung])
    never = np.isnan(pooled).any(1)
    if never.any():
        look: Any = {"color": "white", "edgecolor": QUIET, "hatch": "////", "linewidth": 0, "label": "never a task"}
        axes.bar(first[never], 1, width, align="edge", **look)
    axes.set(xlim=(0, length), ylim=(0, 1))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _mean_of_rows(shares: np.ndarray) -> np.ndarray:
    known = shares[~np.isnan(shares).any(1)]
    return known.mean(0) if len(known) else np.full(shares.shape[1], np.nan)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, and forget it."""
    # The same numbers give the same file, and words stay words.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        if is_first():
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
