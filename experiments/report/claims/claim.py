"""What a claim of the paper is: how it is measured on one data set, told of several, and drawn."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.report.runs import Run

Numbers = Mapping[str, Any]
"""What was seen of a claim on one data set: plain JSON values."""

Seen = Mapping[str, Numbers]
"""What was seen of a claim, by data set."""

BY_REPETITIONS = "± is half a 95 % interval, by repetitions (seeds, worlds, or moments)"
AND_BY_USERS = f"{BY_REPETITIONS}; by users: each user's mean difference over them."


class Claim(NamedTuple):
    """What the paper says, and how it is looked at here.

    Attributes:
        name: of its figure, and in `report.json`.
        title: a heading.
        paper: what the paper says.
        measure: the numbers of one data set's runs; None if they don't hold what is needed.
        tell: tables in Markdown, and a line on how to read them.
        draw: draws its figure; None if it has none.
        runs_with: it is about runs that tell of this metric.
    """

    name: str
    title: str
    paper: str
    measure: Callable[[Sequence[Run]], Numbers | None]
    tell: Callable[[Seen], str]
    draw: Callable[[Seen, Path], None] | None = None
    runs_with: str = "pair_accuracy"
