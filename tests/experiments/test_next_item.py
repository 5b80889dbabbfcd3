"""The item that comes next, end to end: lists of ups, a causal model, its report, and the benchmark that reads it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.leave_one_out import gain
from benchmarks.leave_one_out import main as leave_one_out
from tests.experiments.command import NEGATIVE, Command

USERS, PUBLISHED = 24, 6


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    """Published lists of users who go on from item to item; all of them are asked about."""
    rng = np.random.default_rng(0)
    items = [[int(i) for i in 1 + (rng.integers(20) + np.arange(10)) % 20] for _ in range(USERS)]
    # Of the published validation users, the last three items are held back from training.
    train = [own[: 10 - (3 if user < PUBLISHED else 2)] for user, own in enumerate(items)]
    folder = tmp_path / "lists"
    folder.mkdir()
    tables = {
        "train_input.txt": [" ".join(map(str, own)) for own in train],
        "val_input.txt": [" ".join(map(str, own[:8])) for own in items[:PUBLISHED]],
        "val_output.txt": [str(own[8]) for own in items[:PUBLISHED]],
        "extended_users.tsv": [
            "line\tpublished_validation_user\tval_item\ttest_item",
            *(f"{1 + user}\t{int(user < PUBLISHED)}\t{own[8]}\t{own[9]}" for user, own in enumerate(items)),
        ],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def test_sasrec_on_published_lists(
    command: Command, lists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = (
        NEGATIVE,
        "data=movielens_1m_leave_one_out",
        f"data.path={lists}",
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

    leave_one_out([str(lists), str(tmp_path / "runs")])
    told = capsys.readouterr()
    (row,) = json.loads(told.out)["leave_one_out"].values()
    assert row["ndcg"][f"test, {USERS}"][0] == pytest.approx(metrics["ndcg@10"])
    assert row["ndcg"][f"validation, {PUBLISHED}"][0] == pytest.approx(metrics["validation_ndcg@10"])
    assert f"validation, {USERS}" in told.err

    printed = tmp_path / "printed.json"
    printed.write_text(told.out)
    leave_one_out([str(lists), str(printed)])
    again = capsys.readouterr()
    assert again.err == told.err
    (row_again,) = json.loads(again.out)["leave_one_out"].values()
    assert row_again["runs"] == row["runs"]
    assert row_again["ndcg"] == {name: pytest.approx(values, abs=1e-12) for name, values in row["ndcg"].items()}


def test_rows_without_a_common_seed_have_no_difference() -> None:
    assert gain({(0,): {}}, {(1,): {}}, "test") is None
