"""Runs side by side: rows, intervals and differences, on run folders made by hand."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from experiments.report import Row, differences, interval, main, read_rows, table_of
from experiments.tables import short


def run_of(folder: Path, config: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    """A run folder as far as the report reads it."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
    (folder / "metrics.json").write_text(json.dumps(metrics))


def config_of(seed: int, **knobs: Any) -> dict[str, Any]:
    return {"seed": seed, "workspace": f"w{seed}", "data": {"name": "tiny"}, **knobs}


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [
        (0.5, 3, ".500"),
        (-0.05, 2, "-.05"),
        (10.3, 1, "10.3"),
        (20.5, 1, "20.5"),
        (100.0, 1, "100.0"),
        (1.0, 3, "1.000"),
    ],
)
def test_only_a_leading_zero_is_left_out(value: float, digits: int, told: str) -> None:
    assert short(value, digits) == told


def test_runs_of_one_setting_are_a_row_and_differences_are_taken_seed_by_seed(tmp_path: Path) -> None:
    accuracy = {1.0: [0.70, 0.72, 0.71], 0.0: [0.63, 0.66, 0.62]}
    for p_hard, values in accuracy.items():
        for seed, value in enumerate(values):
            metrics = {"pair_accuracy": value, "popularity/pair_accuracy": 0.6 + seed / 100}
            run_of(tmp_path / f"{p_hard}" / f"{seed}", config_of(seed, p_hard=p_hard), metrics)
    rows = {row.name: row for row in read_rows([tmp_path])}
    assert list(rows) == ["p_hard=0.0", "p_hard=1.0", "popularity"], "popularity knows of no p_hard, and is one row"
    assert list(rows["popularity"].values("pair_accuracy").values()) == [0.6, 0.61, 0.62]
    assert list(rows["p_hard=1.0"].values("pair_accuracy").values()) == accuracy[1.0]

    gains = np.subtract(accuracy[0.0], accuracy[1.0])
    half = stats.ttest_1samp(gains, 0).confidence_interval(0.95).high - gains.mean()
    (line,) = [line for line in differences(list(rows.values())) if line[0] == "p_hard=0.0 − p_hard=1.0"]
    assert line[1:] == ["3", f"{short(gains.mean(), 3)} ±{short(half, 3)}"]
    assert table_of([rows["p_hard=1.0"]])[1][:3] == ["p_hard=1.0", "3", f".710 ±{short(half_width(accuracy[1.0]), 3)}"]


def half_width(values: list[float]) -> float:
    return float(stats.ttest_1samp(values, 0).confidence_interval(0.95).high - np.mean(values))


def test_an_interval_is_students() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    mean, half = interval(values)
    assert mean == 4.0
    assert half == pytest.approx(half_width(values))
    assert math.isnan(interval([1.0])[1])


def test_a_baseline_that_a_setting_changes_is_a_row_for_each(tmp_path: Path) -> None:
    for length, value in ((50, 0.6), (200, 0.65)):
        metrics = {"pair_accuracy": 0.7, "positive_only/pair_accuracy": value, "like_rate/pair_accuracy": 0.72}
        run_of(tmp_path / str(length), config_of(0, max_length=length), metrics)
    rows = {row.name: list(row.values("pair_accuracy").values()) for row in read_rows([tmp_path])}
    assert rows["positive only max_length=50"] == [0.6]
    assert rows["positive only max_length=200"] == [0.65]
    assert rows["like rate"] == [0.72]


def test_seeds_of_unlike_settings_are_not_pooled(tmp_path: Path) -> None:
    for seed, length in ((0, 50), (1, 200)):
        metrics = {"pair_accuracy": 0.7, "positive_only/pair_accuracy": 0.6}
        run_of(tmp_path / str(seed), config_of(seed, max_length=length), metrics)
    assert [len(row.metrics) for row in read_rows([tmp_path])] == [1, 1, 1, 1]


def test_a_knob_that_only_some_runs_have_tells_them_apart(tmp_path: Path) -> None:
    run_of(tmp_path / "a", config_of(0), {"pair_accuracy": 0.7})
    run_of(tmp_path / "b", config_of(0, more=1), {"pair_accuracy": 0.8})
    assert [row.name for row in read_rows([tmp_path])] == ["model", "more=1"]


def test_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_of(tmp_path / name, config_of(0), {"pair_accuracy": 0.7})
    with pytest.raises(ValueError, match="repeats another run of model with the same seed"):
        read_rows([tmp_path])
    with pytest.raises(ValueError, match="no run has ended below"):
        read_rows([tmp_path / "nowhere"])


def test_the_command_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        run_of(tmp_path / "runs" / f"{seed}", config_of(seed), {"pair_accuracy": 0.7 + seed / 100})
    main([str(tmp_path / "runs"), "--out", str(tmp_path / "t.md"), "--figure", str(tmp_path / "t.svg")])
    assert "| model | 2 | .705 ±" in (tmp_path / "t.md").read_text()
    assert ".705" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "t.svg").read_text()
    assert Row("a", {(0, None): {"x": 1.0}}).values("y") == {}
