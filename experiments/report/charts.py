"""Figures over several data sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.figures import COLORS, INK, QUIET, STYLE, save, stack_sources

_APART = 0.012
"""Of an axis, between two data sets at one place."""

Series = Mapping[str, Sequence[tuple[float, float, float]]]
"""By data set: the points of a curve, as place, mean and half of its interval."""


def curves(
    series: Series,
    x: str,
    y: str,
    path: Path,
    lines: Mapping[str, float] | None = None,
    log: bool = False,
) -> None:
    """One curve for each data set.

    Args:
        series: the curves.
        x: what the horizontal axis shows.
        y: what the vertical axis shows.
        path: of the figure.
        lines: heights of dashed lines, by data set.
        log: whether the horizontal axis is logarithmic.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
        _draw(axes, series, log=log)
        for name, height in (lines or {}).items():
            axes.axhline(height, color=_color(series, name), lw=1, ls="--")
        if log:
            axes.set_xscale("log")
        axes.set(xlabel=x, ylabel=y)
        if lines:
            handles, labels = axes.get_legend_handles_labels()
            axes.legend([*handles, Line2D([], [], color=INK, lw=1, ls="--")], [*labels, "hard negatives"])
        else:
            axes.legend()
        save(figure, path)


def named_points(panels: Mapping[str, tuple[str, str, Mapping[str, tuple[float, float]]]], path: Path) -> None:
    """Things that are measured twice, beside the line on which both agree.

    Args:
        panels: by data set: what is across, what is up, and both of each thing, by its name.
        path: of the figure.
    """
    with plt.rc_context(STYLE):
        size = (4.6 * len(panels), 3.8)
        figure, places = plt.subplots(1, len(panels), figsize=size, layout="constrained", squeeze=False)
        for axes, (name, (x, y, points)) in zip(places[0], panels.items(), strict=True):
            both_Nx2 = np.array(list(points.values()))
            ends = [both_Nx2.min(), both_Nx2.max()]
            axes.plot(ends, ends, color=QUIET, lw=1, ls="--", zorder=0)
            axes.scatter(*both_Nx2.T, s=16, color=COLORS[0])
            # Names stand on the far side of the line, so that fewer lie on each other.
            for label, place in points.items():
                aside, side = ((-4, -2), "right") if place[1] > place[0] else ((4, -2), "left")
                axes.annotate(label, place, aside, textcoords="offset points", ha=side, fontsize=6, color=INK)
            axes.margins(0.12)
            axes.set(xlabel=x, ylabel=y, title=name if len(panels) > 1 else None)
        save(figure, path)


def figure_3(series: Mapping[str, Series], path: Path) -> None:
    """Epochs over `p_hard`, above the reciprocal ranks of ups (whole lines) and downs (dashed)."""
    epochs, ups, downs = series["epochs_to_convergence"], series["mrr_up"], series["mrr_down"]
    with plt.rc_context(STYLE):
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.6, 5.2), sharex=True, layout="constrained")
        _draw(top, epochs)
        top.set(ylabel="epochs to convergence", ylim=(0, None))
        top.legend()
        _draw(bottom, ups)
        _draw(bottom, downs, ls="--")
        bottom.set(xlabel="p_hard", ylabel="mean reciprocal rank", yscale="log")
        kinds = [Line2D([], [], color=INK, ls=ls) for ls in ("-", "--")]
        bottom.legend(kinds, ["ups", "downs"])
        save(figure, path)


def frontier(panels: Mapping[str, Mapping[str, tuple[float, float, float, float]]], x: str, y: str, path: Path) -> None:
    """Two things that are wanted at once, of settings in their order, joined by a line; one panel for each data set.

    Args:
        panels: by data set, and by setting: what is across with half of its interval, what is up with half of its own.
        x: what is across.
        y: what is up.
        path: of the figure.
    """
    with plt.rc_context(STYLE):
        size = (0.6 + 2.9 * len(panels), 2.9)
        figure, places = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
        for i, (axes, (name, own)) in enumerate(zip(places[0], panels.items(), strict=True)):
            across, half_across, up, half_up = np.nan_to_num(np.array(list(own.values()))).T
            look: Any = {"color": COLORS[i % len(COLORS)], "marker": "o", "ms": 4, "capsize": 2, "lw": 1.2}
            axes.errorbar(across, up, half_up, half_across, **look)
            for label, place in zip(own, zip(across, up, strict=True), strict=True):
                axes.annotate(label, place, (4, 4), textcoords="offset points", fontsize=6, color=INK)
            axes.margins(0.15)
            axes.set(title=name, xlabel=x)
        places[0, 0].set(ylabel=y)
        save(figure, path)


def figure_4(data: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Accuracy by the share of positive feedback, above how users spread over it."""
    with plt.rc_context(STYLE):
        figure, (top, bottom) = plt.subplots(2, 1, figsize=(4.6, 5.2), sharex=True, layout="constrained")
        for i, (name, own) in enumerate(data.items()):
            color, edges = COLORS[i % len(COLORS)], np.array(own["edges"])
            middle = (edges[1:] + edges[:-1]) / 2 + 0.01 * i
            accuracy, half, _ = np.array(own["accuracy"], float).T
            top.errorbar(middle, accuracy, np.nan_to_num(half), color=color, marker="o", ms=4, capsize=3, label=name)
            bottom.stairs(own["histogram"], np.linspace(0, 1, len(own["histogram"]) + 1), color=color, lw=1.5)
        top.axhline(0.5, color=QUIET, lw=1, ls="--", zorder=0)
        top.set(ylabel="test pair accuracy")
        top.legend()
        bottom.set(xlabel="share of ups in what is known of a user", ylabel="share of test users")
        save(figure, path)


def gains(
    rows: Sequence[str],
    series: Mapping[str, Sequence[tuple[float, float]]],
    paper: Sequence[float],
    x: str,
    path: Path,
) -> None:
    """How far something is ahead of others, one row each, beside what the paper tells.

    Args:
        rows: what they are called, from the top.
        series: by data set: of each row the mean and half of its interval, NaN where there is none.
        paper: of each row the paper's, NaN where it tells nothing.
        x: what the axis shows.
        path: of the figure.
    """
    size = (4.2 + 0.07 * max(map(len, rows)), 1.1 + 0.3 * len(rows))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=size, layout="constrained")
        axes.axvline(0, color=QUIET, lw=1, zorder=0)
        place = np.arange(len(rows))[::-1]
        if not np.isnan(paper).all():
            axes.plot(paper, place, "D", ms=5, mfc="none", color=INK, label="the paper")
        for i, (name, own) in enumerate(series.items()):
            mean, half = np.array(own, float).T
            aside = 0.18 * (i - (len(series) - 1) / 2)
            color = COLORS[i % len(COLORS)]
            look: Any = {"fmt": "o", "ms": 4, "capsize": 2, "color": color, "label": name}
            axes.errorbar(mean, place - aside, xerr=np.nan_to_num(half), **look)
        axes.set_yticks(place, rows)
        axes.set(xlabel=x, ylim=(-0.6, len(rows) - 0.4))
        figure.legend(loc="outside upper right", ncols=4)
        save(figure, path)


def over_steps(
    steps: Sequence[str], series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str, path: Path
) -> None:
    """Curves over steps that are told by name; each two that follow each other are a pair, whole and dashed.

    Args:
        steps: what they are called.
        series: by the curve's name: of each step the mean and half of its interval, NaN where there is none.
        x: what the steps are.
        y: what the vertical axis shows.
        path: of the figure.
    """
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
        for i, (name, own) in enumerate(series.items()):
            mean, half = np.array(own, float).T
            look: Any = {"color": COLORS[i // 2 % len(COLORS)], "ls": ("-", "--")[i % 2], "marker": "o", "ms": 4}
            place = np.arange(len(steps)) + 0.05 * (i - (len(series) - 1) / 2)
            axes.errorbar(place, mean, np.nan_to_num(half), capsize=2, label=name, **look)
        axes.set_xticks(range(len(steps)), steps)
        axes.set(xlabel=x, ylabel=y)
        axes.legend()
        save(figure, path)


def sources(shares: Mapping[str, np.ndarray], path: Path) -> None:
    """Where negatives come from at each position, one panel for each data set."""
    with plt.rc_context(STYLE):
        figure, panels = plt.subplots(
            1, len(shares), figsize=(1.6 + 2.9 * len(shares), 2.8), sharey=True, squeeze=False, layout="constrained"
        )
        for axes, (name, own) in zip(panels[0], shares.items(), strict=True):
            stack_sources(axes, own)
            axes.set(title=name, xlabel="position")
        panels[0, 0].set(ylabel="share of negatives")
        # Not every data set has positions that are never a task.
        named = [axes.get_legend_handles_labels() for axes in panels[0]]
        looks = {label: look for handles, labels in named for look, label in zip(handles, labels, strict=True)}
        figure.legend(looks.values(), looks.keys(), loc="outside right center")
        save(figure, path)


def _draw(axes: Axes, series: Series, ls: str = "-", log: bool = False) -> None:
    for i, (name, points) in enumerate(series.items()):
        x, mean, half = np.array(points).T
        # Side by side, so that no interval hides another's ends.
        aside = _APART * (i - (len(series) - 1) / 2)
        place = x * (x[-1] / x[0]) ** aside if log else x + np.ptp(x) * aside
        look: Any = {"color": _color(series, name), "ls": ls, "marker": "o", "ms": 4, "capsize": 2, "label": name}
        axes.errorbar(place, mean, np.nan_to_num(half), **look)


def _color(series: Series, name: str) -> str:
    return COLORS[list(series).index(name) % len(COLORS)]
