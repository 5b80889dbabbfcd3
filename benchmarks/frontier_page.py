"""What `benchmarks.frontier` tells: curves of NDCG@10 against seconds of training, as a table and a figure."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Bool, Float64

from experiments.figures import INK, KINDS, STYLE, save
from experiments.report.intervals import by_users, estimate
from experiments.tables import markdown_table

PLACES = "0123456789"
"""Of an asked item that is among the first ten; elsewhere it is `BEYOND`."""
BEYOND = "."
MARK = 0.17
"""The NDCG@10 of all users to which times are told."""
PUBLISHED = {"SASRec, as published": 0.1428, "gSASRec, as published": 0.1974}
"""Of the 512, as gSASRec's authors tell."""
_DIGITS = 4


Groups = Mapping[str, Bool[np.ndarray, "U"]]
"""Who of those who are asked belongs to a group, by its name; the last are all."""


@dataclasses.dataclass(frozen=True)
class Curve:
    """A training.

    Attributes:
        seconds: until the end of each epoch.
        ndcg: after each, by the users who are asked.
        places: by minutes of training, where the items of all users stood after the best epoch until then.
        test: NDCG@10 of their last items after the best epoch of all.
    """

    seconds: Sequence[float]
    ndcg: Mapping[str, Sequence[float]]
    places: Mapping[str, str]
    test: float

    @classmethod
    def of(
        cls, lines: Sequence[Mapping[str, Any]], groups: Mapping[str, Bool[np.ndarray, "U"]], minutes: Sequence[int]
    ) -> "Curve":
        """From what was printed after each epoch, and at the end; all users choose the best epoch."""
        *lines, last = lines
        seconds = [line["seconds"] for line in lines]
        ndcg_ExU = np.array([gains(line["places"]) for line in lines])
        ndcg = {name: ndcg_ExU[:, who].mean(axis=1).tolist() for name, who in groups.items()}
        chosen = [*ndcg.values()][-1]
        best = {limit: _best(seconds, chosen, 60 * limit) for limit in minutes}
        return cls(
            seconds,
            ndcg,
            {str(limit): lines[at]["places"] for limit, at in best.items() if at is not None},
            float(gains(last["test"]).mean()),
        )

    def reached(self, group: str, mark: float) -> float:
        """Seconds until the first epoch that reaches `mark`; infinity if none does."""
        return next((s for s, value in zip(self.seconds, self.ndcg[group], strict=True) if value >= mark), math.inf)

    def best(self, group: str, chosen_by: str, minutes: int) -> float | None:
        """The value of the epoch, of those that end within so many minutes, that is best by another group's."""
        at = _best(self.seconds, self.ndcg[chosen_by], 60 * minutes)
        return None if at is None else self.ndcg[group][at]


Curves = Mapping[str, Mapping[str, Curve]]
"""By system, and by seed."""


def gains(places: str) -> Float64[np.ndarray, "U"]:
    """NDCG@10 of each user."""
    return np.array([0.0 if place == BEYOND else 1 / math.log2(2 + int(place)) for place in places])


def _best(seconds: Sequence[float], values: Sequence[float], limit: float) -> int | None:
    within = [at for at, value in enumerate(seconds) if value <= limit]
    return max(within, key=lambda at: values[at], default=None)


def page(curves: Curves, minutes: Sequence[int], reference: str) -> str:
    """The page, in Markdown; times and differences are told beside those of the system that is called `reference`."""
    groups = [*next(_each(curves)).ndcg]
    everyone = groups[-1]
    parts = ["# Quality at speed: NDCG@10 on the published lists against seconds of training", ""]
    parts += ["![NDCG@10 against seconds of training](frontier.svg)", ""]
    head = ["", "seeds", "s an epoch", f"s to {_short(MARK)}", "times as fast"]
    head += [*(f"{group}, {limit} min" for group in groups for limit in minutes), f"{everyone}, test"]
    head += [f"{group}, {minutes[-1]} min, chosen by themselves" for group in groups[:-1]]
    table = [head]
    for name, of_seeds in curves.items():
        runs = [*of_seeds.values()]
        reached, slow = (_mean_reached(of, everyone) for of in (runs, [*curves[reference].values()]))
        ratio = "–" if name == reference or not math.isfinite(reached) else _ratio(slow, reached, curves[reference])
        row = [name, str(len(runs)), f"{np.mean([one.seconds[-1] / len(one.seconds) for one in runs]):.0f}"]
        row += [f"{reached:.0f}" if math.isfinite(reached) else f"not in {_longest(runs):.0f}", ratio]
        row += [_told(runs, group, everyone, limit) for group in groups for limit in minutes]
        row += [estimate([one.test for one in runs]).told(_DIGITS)]
        table.append([*row, *(_told(runs, group, group, minutes[-1]) for group in groups[:-1])])
    parts += [markdown_table(table), ""]
    parts += [
        f"NDCG@10 of the best epoch, by {everyone}, that ends within so many minutes, and in the test of the best of "
        "all; ± by seeds. What others publish of fewer users is of the epoch that is best by these.",
        "",
    ]
    parts += [f"## Beside {reference}, user by user", ""]
    versus = [["", *(f"{limit} min" for limit in minutes)]]
    for name, of_seeds in curves.items():
        if name != reference:
            versus.append([name, *(_difference(of_seeds, curves[reference], str(limit)) for limit in minutes)])
    return "\n".join(
        [*parts, markdown_table(versus), "", f"Of {everyone}, means over the seeds that both have; ± by users.", ""]
    )


def draw(curves: Curves, path: Path) -> None:
    """A panel for each group of users: a line for each training, a colour for each system."""
    groups = [*next(_each(curves)).ndcg]
    with plt.rc_context(STYLE):
        size = (4.4 * len(groups), 3.6)
        figure, panels = plt.subplots(1, len(groups), figsize=size, sharey=True, layout="constrained")
        for axes, group in zip(panels, groups, strict=True):
            for color, (name, of_seeds) in zip(KINDS, curves.items(), strict=False):
                for at, one in enumerate(of_seeds.values()):
                    label = None if at else name
                    axes.plot(one.seconds, one.ndcg[group], color=color, lw=1, marker=".", ms=3, label=label)
            axes.set(xscale="log", xlabel="seconds of training", title=group)
        panels[0].set_ylabel("NDCG@10")
        for name, height in PUBLISHED.items():
            panels[0].axhline(height, color=INK, lw=0.8, ls=":", zorder=0)
            place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
            panels[0].annotate(name, (1, height), (0, 2), fontsize=6, **place)
        panels[-1].legend(fontsize=7)
        save(figure, path)


def _each(curves: Curves) -> Iterator[Curve]:
    return (one for of_seeds in curves.values() for one in of_seeds.values())


def _told(runs: Sequence[Curve], group: str, chosen_by: str, minutes: int) -> str:
    """NDCG@10 of a group at the epoch that is best by another's, if each run had one by then."""
    values = [value for one in runs if (value := one.best(group, chosen_by, minutes)) is not None]
    return estimate(values).told(_DIGITS) if len(values) == len(runs) else "–"


def _mean_reached(runs: Sequence[Curve], group: str) -> float:
    return float(np.mean([one.reached(group, MARK) for one in runs]))


def _longest(runs: Sequence[Curve]) -> float:
    return max(one.seconds[-1] for one in runs)


def _ratio(slow: float, reached: float, reference: Mapping[str, Curve]) -> str:
    """How many times as fast as the reference; at least so many, where that one never came there."""
    if math.isfinite(slow):
        return f"{slow / reached:.1f}"
    return f"over {_longest([*reference.values()]) / reached:.1f}"


def _difference(of: Mapping[str, Curve], over: Mapping[str, Curve], minutes: str) -> str:
    common = [seed for seed in of if seed in over and minutes in of[seed].places and minutes in over[seed].places]
    if not common:
        return "–"
    each = [gains(of[seed].places[minutes]) - gains(over[seed].places[minutes]) for seed in common]
    return by_users(np.mean(each, axis=0)).told(_DIGITS, sign=True)


def _short(value: float) -> str:
    return f"{value:g}".lstrip("0")
