"""The benchmark of spaces that grow, on the shrunk service."""

import json
from pathlib import Path

import pytest

from benchmarks.grown_space import main as grown_space
from tests.experiments.user_representation.small import SMALL


def test_a_space_that_grows(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grown_space(["--encoders", "collaborative", "--workspace", str(workspace), "--knobs", *SMALL[1:]])
    told = json.loads(capsys.readouterr().out)
    assert told["about"]["held_back"] == 60
    items, users = told["grown_space"]["items"], told["grown_space"]["users"]
    assert "purity_new" not in items["collaborative, not grown"]
    random, grown = (items[f"collaborative, {name}"]["purity_new"] for name in ("random new ones", "grown"))
    assert grown > random, "new tracks lie with those of their genre"
    assert users["same_space"] == 1
    assert users["largest_change_without_new_tracks"] == 0
    assert 0 < users["largest_share_of_bound"] <= 1
