"""Figures of a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from urep_jax.data.hard_negatives import Rung
from urep_jax.training.fit import Epoch

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

_BASELINES = ("popularity", "like_rate", "like rate", "oracle")
"""Drawn in ink; what is trained stands out."""

_INK, _ACCENT, _QUIET = "#222222", "#1f6f8b", "#b9c4c9"
_RUNG_LOOK = {
    Rung.SAME_DAY_DOWN: ("same-day down", "#7a1f2b"),
    Rung.SAME_DAY_SKIP: ("same-day skip", "#c8553d"),
    Rung.FUTURE_DOWN: ("future down", "#e09f3e"),
    Rung.FUTURE_SKIP: ("future skip", "#f3d9a4"),
    Rung.RANDOM: ("random", "#d5dde0"),
}
_STYLE: Any = {
    "figure.dpi": 150,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": _INK,
    "legend.frameon": False,
}


def training_curves(history: Sequence[Epoch], path: Path) -> None:
    """Loss, and validation with its best epoch, by epoch."""
    epochs = [e.epoch for e in history]
    best = max(history, key=lambda e: e.validation)
    with plt.rc_context(_STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6), layout="constrained")
        left.plot(epochs, [e.loss for e in history], color=_INK)
        left.set(xlabel="epoch", ylabel="training loss")
        right.plot(epochs, [e.validation for e in history], color=_ACCENT)
        right.plot(best.epoch, best.validation, "o", color=_ACCENT)
        place: Any = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center"}
        right.annotate(f"best: {best.validation:.3f}", (best.epoch, best.validation), **place)
        right.margins(y=0.15)
        right.set(xlabel="epoch", ylabel="validation pair accuracy")
        for axes in (left, right):
            axes.xaxis.get_major_locator().set_params(integer=True)
        _save(figure, path)


def pair_accuracies(results: Mapping[str, tuple[float, float]], path: Path) -> None:
    """Test pair accuracy of models and baselines: means with half-widths of 95 % intervals (NaN for none)."""
    names = sorted(results, key=lambda name: results[name])
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(5.2, 0.6 + 0.38 * len(names)), layout="constrained")
        for y, name in enumerate(names):
            value, half = results[name]
            color = _INK if name in _BASELINES else _ACCENT
            axes.errorbar(value, y, xerr=np.nan_to_num(half), fmt="o", color=color, capsize=3)
            place: Any = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center"}
            axes.annotate(f"{value:.3f}", (value, y), **place, color=color, fontsize=8)
        axes.axvline(0.5, color=_QUIET, lw=1, ls="--", zorder=0)
        axes.set_yticks(range(len(names)), [name if "=" in name else name.replace("_", " ") for name in names])
        axes.margins(y=0.25)
        axes.set(xlabel="test pair accuracy (dashed: a coin)")
        _save(figure, path)


def hard_negative_sources(shares: np.ndarray, path: Path) -> None:
    """Where the negatives at each position come from (Fig. 1 of the paper).

    Args:
        shares: L x 5, from `rung_shares`.
        path: of the PNG.
    """
    length = len(shares)
    # Neighbouring positions are pooled to about 50 bars: single ones are noise.
    width = max(1, length // 50)
    first = np.arange(0, length, width)
    pooled = np.array([_mean_of_rows(shares[i : i + width]) for i in first])
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(6, 2.8), layout="constrained")
        bottom = np.zeros(len(first))
        for rung, (label, color) in _RUNG_LOOK.items():
            axes.bar(first, pooled[:, rung], width, bottom, align="edge", color=color, label=label)
            bottom += np.nan_to_num(pooled[:, rung])
        axes.set(xlabel="position in the sequence (latest at the right)", ylabel="share of negatives", ylim=(0, 1))
        axes.set_xlim(0, length)
        figure.legend(loc="outside right center")
        _save(figure, path)


def _mean_of_rows(shares: np.ndarray) -> np.ndarray:
    known = shares[~np.isnan(shares).any(1)]
    return known.mean(0) if len(known) else np.full(shares.shape[1], np.nan)


def _save(figure: Figure, path: Path) -> None:
    # The same numbers give the same file, and words stay words.
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
