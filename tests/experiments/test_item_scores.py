"""The benchmark that tells what `p_hard` makes of a score that knows nothing but the item."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmarks.item_scores import item_scores
from benchmarks.item_scores import main as tell_item_scores
from tests.experiments.command import SMALL, Command
from urep_jax.core.types import Feedback

COUNTS = np.array([[0, 0, 0, 0], [4, 2, 6, 0], [1, 5, 2, 2], [3, 3, 0, 9]])
"""Of four items, by the code of the feedback, which no event has as 0."""


def test_no_score_of_items_has_less_loss() -> None:
    hard, more = {Feedback.DOWN: 0.2, Feedback.SKIP: 0.3}, 3.0
    up_V, down_V, skip_V = (COUNTS[kind] + more for kind in (Feedback.UP, Feedback.DOWN, Feedback.SKIP))
    negative_V = 0.2 * down_V / down_V.sum() + 0.3 * skip_V / skip_V.sum() + 0.5 / 4

    def loss(score_V: np.ndarray) -> float:
        return float(up_V / up_V.sum() @ np.logaddexp(0, -score_V) + negative_V @ np.logaddexp(0, score_V))

    np.testing.assert_allclose(item_scores(COUNTS, hard), minimize(loss, np.zeros(4)).x, atol=1e-4)


def test_in_a_vast_catalogue_any_share_of_hard_negatives_is_all() -> None:
    all_of_it = np.diff(item_scores(COUNTS, {Feedback.DOWN: 1.0}))
    little = {Feedback.DOWN: 0.1}
    np.testing.assert_allclose(np.diff(item_scores(COUNTS, little, catalogue=10**9)), all_of_it, atol=1e-6)
    assert np.ptp(np.diff(item_scores(COUNTS, little)) - all_of_it) > 0.1


def test_without_hard_negatives_it_is_popularity(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = command(*SMALL, "train.epochs=1", "baselines=[popularity]")
    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    tell_item_scores([str(tmp_path / "run")])
    told = capsys.readouterr()
    found = json.loads(told.out)["item_scores"]["radio"]
    for metric in ("pair_accuracy", "pair_accuracy/head", "pair_accuracy/tail"):
        assert found["0"][metric] == pytest.approx([metrics[f"popularity/{metric}"]], abs=1e-6)
    assert found["0"]["downs"] == found["0"]["skips"] == [0.0]
    assert 0.3 < found["0.5"]["downs"][0] + found["0.5"]["skips"][0] < 0.5, "some tasks have no hard negative"
    assert re.search(r"\| radio \| 1 \| 1 \| \d+% \| \d+% \| \.\d{3} \|", told.err)
