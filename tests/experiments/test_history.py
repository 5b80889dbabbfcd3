"""The history of a training is there while it grows, whole and once, however often it was stopped."""

import json
from pathlib import Path

from experiments.history import HistoryWriter, read_history
from urep_jax.training.fit import Epoch

EPOCHS = [Epoch(n, 10 * n, 1 / n, 0.5 + 0.1 * n, {}, 1.0, 0.1) for n in (1, 2, 3)]


def epochs_told(folder: Path) -> list[int]:
    return [json.loads(line)["epoch"] for line in (folder / "history.jsonl").read_text().splitlines()]


def test_each_epoch_is_there_as_soon_as_it_is_told(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path) as history:
        sizes = []
        for count in (1, 2, 3):
            history(EPOCHS[:count])
            assert epochs_told(tmp_path) == list(range(1, count + 1))
            (board,) = tmp_path.glob("events.out.tfevents.*")
            sizes.append(board.stat().st_size)
    assert sizes[0] < sizes[1] < sizes[2]


def test_a_continued_training_tells_every_epoch_once(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path) as history:
        history(EPOCHS[:2])
    with HistoryWriter(tmp_path) as history:
        history(EPOCHS)
    assert epochs_told(tmp_path) == [1, 2, 3]
    assert read_history(tmp_path) == EPOCHS
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
