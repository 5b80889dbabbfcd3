"""`python -m experiments.run`, shrunk: a radio of 150 listeners, two epochs of a narrow model of one block."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
NEGATIVE = "experiment=negative_feedback"
"""The system whose commands these are."""

SMALL = (
    NEGATIVE,
    *("data.source.params.num_listeners=150", "data.split.test_days=90"),
    *("train.epochs=2", "train.batch_size=32", "train.strata=1", "max_length=20", "model.width=8", "model.blocks=1"),
)


class Said(NamedTuple):
    """How a command ended, and what it told."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]
