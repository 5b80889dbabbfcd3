"""What is told of how much a model knows."""

import io

import pyarrow as pa
import pytest
from rich.console import Console

from experiments.known import tell_known
from urep_jax.data.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pa.array([f"i{n}" for n in range(1200)]), pa.array(["jazz"]), pa.array([], pa.string()))


def told(items: list[str], stations: list[str] | None = None) -> str:
    out = io.StringIO()
    known = None if stations is None else pa.array(stations, pa.string())
    tell_known(Console(file=out), "runs/1", VOCABULARY, "these events", pa.array(items, pa.string()), known)
    return out.getvalue()


def test_items_and_stations_are_counted() -> None:
    items = [f"i{n}" for n in range(100, 1400)]
    assert told(items) == "the model in runs/1 knows 1,100 of the 1,300 items in these events\n"
    both = "the model in runs/1 knows 1 of the 1 items and 0 of the 2 stations in these events\n"
    assert told(["i0"], ["rock", "soul"]) == both
    assert "station" not in told(["i0"], []), "a log without stations"


def test_no_known_item_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the model in runs/1 knows none of the 2 items .* 'x', and .* 'i0'\. Give"):
        told(["x", "y"], ["jazz"])
    assert "0 of the 0 items" in told([])
