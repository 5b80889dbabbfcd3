"""The item that comes next, end to end: lists of ups, a causal model, its report, and the benchmark that reads it."""

import json
from pathlib import Path

import pytest

from benchmarks.leave_one_out import gain
from benchmarks.leave_one_out import main as leave_one_out
from tests.experiments.command import NEGATIVE, Command
from tests.experiments.published_lists import PUBLISHED, USERS


def test_sasrec_on_published_lists(
    command: Command, published_lists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = (
        NEGATIVE,
        "data=movielens_1m_leave_one_out",
        f"data.path={published_lists}",
        "recipe=sasrec",
        "loss=softmax",
        "max_length=8",
    )
    small = ("model.width=8", "model.blocks=1", "model.distance=true", "train.batch_size=8", "train.strata=1")
    schedule = ("train.schedule=cosine", "train.warmup=3", "train.average=0.5", "train.learning_rate=0.03")
    start = ("train.item_start=spectral", "train.epochs=10", "train.patience=10")
    folder = tmp_path / "runs" / "0"
    said = command(*knobs, *small, *schedule, *start, folder=folder)
    assert said.status == 0, said.err
    assert "NDCG@10" in said.out
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["ndcg@10"] > metrics["popularity/ndcg@10"] + 0.2, "what follows can be learnt"
    assert "![NDCG@10](figures/compared.png)" in (folder / "report.md").read_text()

    leave_one_out([str(published_lists), str(tmp_path / "runs")])
    told = capsys.readouterr()
    (row,) = json.loads(told.out)["leave_one_out"].values()
    assert row["ndcg"][f"test, {USERS}"][0] == pytest.approx(metrics["ndcg@10"])
    assert row["ndcg"][f"validation, {PUBLISHED}"][0] == pytest.approx(metrics["validation_ndcg@10"])
    assert f"validation, {USERS}" in told.err

    printed = tmp_path / "printed.json"
    printed.write_text(told.out)
    leave_one_out([str(published_lists), str(printed)])
    again = capsys.readouterr()
    assert again.err == told.err
    (row_again,) = json.loads(again.out)["leave_one_out"].values()
    assert row_again["runs"] == row["runs"]
    assert row_again["ndcg"] == {name: pytest.approx(values, abs=1e-12) for name, values in row["ndcg"].items()}


def test_rows_without_a_common_seed_have_no_difference() -> None:
    assert gain({(0,): {}}, {(1,): {}}, "test") is None
