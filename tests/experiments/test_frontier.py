"""Quality against training time: what is counted of a curve, and a recipe that trains for it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.frontier import System, read_curves
from benchmarks.frontier import main as frontier
from benchmarks.frontier_page import BEYOND, Curve, gains, page
from benchmarks.frontier_recipe import places
from tests.experiments.published_lists import PUBLISHED, USERS

GROUPS = {"2 users": np.array([True, True, False, False]), "4 users": np.ones(4, bool)}
LINES = [
    {"seconds": 50.0, "places": "9..."},
    {"seconds": 100.0, "places": "..00"},
    {"seconds": 150.0, "places": "0..."},
    {"test": "00.."},
]


def test_places_are_what_ndcg_says() -> None:
    every = "0123456789" + BEYOND
    assert places(gains(every)) == every
    np.testing.assert_allclose(gains("01."), [1, 1 / math.log2(3), 0])


def test_a_curve_is_counted_by_hand() -> None:
    curve = Curve.of(LINES, GROUPS, (1, 2, 3))
    np.testing.assert_allclose(curve.ndcg["4 users"], [1 / math.log2(11) / 4, 0.5, 0.25])
    np.testing.assert_allclose(curve.ndcg["2 users"], [1 / math.log2(11) / 2, 0, 0.5])
    assert curve.reached("4 users", 0.2) == 100
    assert curve.reached("2 users", 0.2) == 150
    assert curve.reached("4 users", 0.6) == math.inf
    # All users choose the epoch, also for the few; later and worse epochs change nothing.
    assert curve.places == {"1": "9...", "2": "..00", "3": "..00"}
    assert curve.best("2 users", "4 users", 3) == 0
    assert curve.test == 0.5
    assert Curve.of(LINES[1:], GROUPS, (1,)).best("4 users", "4 users", 1) is None


def test_a_page_compares_user_by_user() -> None:
    slow = Curve.of([{"seconds": 600.0, "places": ".9.."}, {"test": "...."}], GROUPS, (1, 3, 10))
    told = page({"slow": {"0": slow}, "fast": {"0": Curve.of(LINES, GROUPS, (1, 3, 10))}}, (1, 3, 10), "slow")
    row = next(line for line in told.splitlines() if line.startswith("| fast | 1 "))
    assert "| 50 | 100 | over 6.0 |" in row, "the other never came to .17 in its 600 s"
    head = next(line for line in told.splitlines() if line.startswith("|  | seeds"))
    cell = dict(zip(*([one.strip() for one in line.split("|")] for line in (head, row)), strict=True))
    assert cell["2 users, 10 min"] == ".0000", "at the epoch that is best by all"
    assert cell["2 users, 10 min, chosen by themselves"] == ".5000"
    versus = next(line for line in reversed(told.splitlines()) if line.startswith("| fast"))
    _, _, at_1, at_3, at_10, _ = (cell.strip() for cell in versus.split("|"))
    assert (at_1, at_3) == ("–", "–"), "of the other nothing is known yet"
    assert at_10.startswith(f"+{0.5 - 1 / math.log2(11) / 4:.4f}".replace("0.", ".") + " ±")


def test_a_recipe_trains_once(published_lists: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    knobs = "max_length=8 model.width=8 model.blocks=1 train.batch_size=8 train.strata=1 train.epochs=2"
    begun = tmp_path / "small" / "0.begun"
    begun.parent.mkdir()
    begun.write_text("what a training that was stopped had told\n")
    command = [str(published_lists), str(tmp_path), "--systems", f"small: sasrec {knobs}", "--seeds", "0"]
    frontier(command)
    assert not begun.exists()
    path = tmp_path / "small" / "0.jsonl"
    *lines, last = (json.loads(line) for line in path.read_text().splitlines())
    assert [len(line["places"]) for line in lines] == [USERS, USERS]
    assert len(last["test"]) == USERS
    assert 0 < lines[0]["seconds"] < lines[1]["seconds"]
    (curve,) = read_curves(tmp_path / "frontier.json")["small"].values()
    assert set(curve.ndcg) == {f"{PUBLISHED} users", f"{USERS} users"}
    assert curve.ndcg[f"{USERS} users"][1] == pytest.approx(gains(lines[1]["places"]).mean())
    assert "| small | 1 |" in (tmp_path / "frontier.md").read_text()
    assert (tmp_path / "frontier.svg").exists()

    capfd.readouterr()
    printed = tmp_path / "elsewhere.json"
    printed.write_text((tmp_path / "frontier.json").read_text().replace('"small"', '"elsewhere"'))
    frontier([*command, "--printed", str(printed)])
    assert "small, seed 0" not in capfd.readouterr().err, "it had been trained"
    assert read_curves(tmp_path / "frontier.json")["elsewhere"]["0"] == curve


def test_rectools_wants_its_environment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        frontier(["LISTS", "FOLDER"])
    assert "--rectools PYTHON" in capsys.readouterr().err


def test_a_system_is_a_recipe_or_one_with_knobs_and_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert System.of("next_item") == ("next_item", "next_item", ())
    assert System.of("all rows: sasrec train.tables=dense seed=1") == (
        "all rows",
        "sasrec",
        ("train.tables=dense", "seed=1"),
    )
    for wrong in ("", "a/b: sasrec", "..: sasrec", "sasrec data.path=a/b"):
        with pytest.raises(SystemExit):
            frontier(["LISTS", "FOLDER", "--systems", wrong])
        assert f"{wrong!r} is no system; write RECIPE, or NAME: RECIPE KNOB=VALUE..." in capsys.readouterr().err
    with pytest.raises(SystemExit):
        frontier(["LISTS", "FOLDER", "--systems", "quick: rectools_sasrec seed=2"])
    assert "has knobs, but rectools_sasrec takes none; leave them out" in capsys.readouterr().err
