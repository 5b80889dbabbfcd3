"""`experiment=responses_movielens_1m`, shrunk: the first events of MovieLens-1M's listeners, narrow models."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.experiments.command import Command

TINY = (
    "experiment=responses_movielens_1m",
    *("logs.most_events=24", "logs.width=4", "candidates.count=20", "reward.weeks=1.0"),
    *("learn.response.epochs=1", "learn.response.width=4", "learn.response.hidden=4", "learn.response.window=6"),
    "learn.response.blocks=0",
    *("learn.forecast.epochs=1", "learn.forecast.width=4", "learn.forecast.hidden=4", "learned.listeners=8"),
)


@pytest.fixture
def movielens(data_folder: Callable[[str], Path]) -> Path:
    """Looked up before `command` forgets where data lies."""
    return data_folder("movielens-1m")


def test_the_whole_experiment_on_real_logs(movielens: Path, command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    said = command(*TINY, f"data.path={movielens}", folder=folder)
    assert said.status == 0, said.err
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["asked/later_listeners"] > 500
    for test in ("new_listeners", "later_listeners"):
        for head in ("up", "down", "session_over", "back_within_1"):
            stem = f"responses/{test}/{head}"
            assert 0 < metrics[f"{stem}/share"] < 1
            assert 0 <= metrics[f"{stem}/ece"] < 0.3
            assert 0 < metrics[f"{stem}/resolution"] < 1
        # Films that many like are liked by more: whoever learns nothing of that has .5.
        assert metrics[f"forecast/{test}/ten_minutes/popularity"] > 0.6
        ahead = metrics[f"forecast/{test}/one_day/model"] - metrics[f"forecast/{test}/one_day/last_session"]
        assert metrics[f"forecast/{test}/one_day/over_last_session"] == pytest.approx(ahead)
        assert f"forecast/{test}/one_day/truth" not in metrics
    policies = {key.split("/")[1] for key in metrics if key.endswith("/reward/first")}
    assert len(policies) >= 8
    assert not any(key.endswith(("/true", "/satisfaction")) for key in metrics)
    for measure in ("reward", "ups", "sessions"):
        stem = f"learned/agreement/first_and_second/{measure}"
        assert -1 <= metrics[f"{stem}_low"] <= metrics[stem] <= metrics[f"{stem}_high"] <= 1
    report = (folder / "report.md").read_text()
    assert "## What is missing" in report
    assert "| a skip |" not in report, "nobody skips there"
    assert report.count("| model, of a stranger |") == 2
    for name in ("responses", "forecasts", "policies"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5_000
    assert "what is wanted later, AUC: later listeners" in said.out
