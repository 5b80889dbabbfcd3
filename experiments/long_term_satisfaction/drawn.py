"""Figures of long-term satisfaction."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np

from experiments import figures
from experiments.figures import INK, KINDS, STYLE
from experiments.folder import RunFolder
from experiments.long_term_satisfaction.judged import Judged, half_interval


def draw(folder: RunFolder, judged: Mapping[str, Judged]) -> None:
    """Satisfaction and ups by week, with the numbers behind them."""
    for measure, title, name in (
        ("satisfaction", "satisfaction of a listener", "satisfaction"),
        ("up", "ups of a listener in the week", "ups"),
    ):
        _by_week(folder, judged, measure, title, name)


def _by_week(folder: RunFolder, judged: Mapping[str, Judged], measure: str, title: str, name: str) -> None:
    rows = []
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
        ends = {}
        for agent, color in zip(judged, KINDS, strict=False):
            by_SxW = judged[agent].by_week(measure)
            mean_W = by_SxW.mean(0)
            half_W = np.nan_to_num([half_interval(by_S) for by_S in by_SxW.T])
            week_W = np.arange(1, len(mean_W) + 1)
            axes.plot(week_W, mean_W, color=color, lw=1.6, ls="--" if agent == "oracle" else "-")
            axes.fill_between(week_W, mean_W - half_W, mean_W + half_W, color=color, alpha=0.15, lw=0)
            ends[agent] = (float(mean_W[-1]), color)
            rows += [[agent, *row] for row in zip(week_W, mean_W, half_W, strict=True)]
        low, high = axes.get_ylim()
        last, gap = len(week_W), 0.055 * (high - low)
        # Names stand beside the ends of their lines, each at least a line's height above the one below.
        at = -np.inf
        for agent, (end, color) in sorted(ends.items(), key=lambda item: item[1][0]):
            at = max(end, at + gap)
            axes.annotate(agent, (last, at), xytext=(6, 0), textcoords="offset points", color=color, va="center")
        axes.set(xlabel="week", ylabel=title, ylim=(min(low, 0), high), xticks=week_W)
        axes.yaxis.label.set_color(INK)
        figures.save(figure, folder.figures / f"{name}.png")
    folder.write_table(f"{name}.csv", ["agent", "week", "mean", "half interval"], rows)
