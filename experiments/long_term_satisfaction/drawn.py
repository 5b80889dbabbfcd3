"""Figures of long-term satisfaction."""

from collections.abc import Mapping

import numpy as np

from experiments import figures
from experiments.folder import RunFolder
from experiments.long_term_satisfaction.judged import Judged, half_interval


def draw(folder: RunFolder, judged: Mapping[str, Judged]) -> None:
    """Satisfaction and ups by week, with the numbers behind them."""
    for measure, title, name in (
        ("satisfaction", "satisfaction of a listener", "satisfaction"),
        ("up", "ups of a listener in the week", "ups"),
    ):
        curves = {}
        for agent, one in judged.items():
            by_SxW = one.by_week(measure)
            curves[agent] = by_SxW.mean(0), np.array([half_interval(by_S) for by_S in by_SxW.T])
        figures.over_weeks(curves, title, folder.figures / f"{name}.png")
        rows = [
            [agent, week, mean, half]
            for agent, (mean_W, half_W) in curves.items()
            for week, (mean, half) in enumerate(zip(mean_W, half_W, strict=True), start=1)
        ]
        folder.write_table(f"{name}.csv", ["agent", "week", "mean", "half interval"], rows)
