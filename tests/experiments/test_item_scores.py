"""The benchmark that tells what `p_hard` makes of a score that knows nothing but the item."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmarks.item_scores import hardest_scores, hardest_share, item_scores
from benchmarks.item_scores import main as tell_item_scores
from tests.experiments.command import SMALL, Command
from urep_jax.core.types import Feedback

COUNTS = np.array([[0, 0, 0, 0], [4, 2, 6, 0], [1, 5, 2, 2], [3, 3, 0, 9]])
"""Of four items, by the code of the feedback, which no event has as 0."""


def test_no_score_of_items_has_less_loss() -> None:
    p_hard, hard, more = 0.4, {Feedback.DOWN: 0.5, Feedback.SKIP: 0.3}, 3.0
    up_V, down_V, skip_V = (COUNTS[kind] + more for kind in (Feedback.UP, Feedback.DOWN, Feedback.SKIP))
    hard_V = 0.5 * down_V / down_V.sum() + 0.3 * skip_V / skip_V.sum()
    negative_V = p_hard * hard_V + (1 - 0.8 * p_hard) / 4

    def loss(score_V: np.ndarray) -> float:
        return float(up_V / up_V.sum() @ np.logaddexp(0, -score_V) + negative_V @ np.logaddexp(0, score_V))

    best = minimize(loss, np.zeros(4)).x
    np.testing.assert_allclose(item_scores(COUNTS, hard, p_hard), best, atol=1e-4)


def test_in_a_vast_catalogue_any_share_of_hard_negatives_is_all() -> None:
    hard = {Feedback.DOWN: 1.0}
    little, all_of_it = (item_scores(COUNTS, hard, p_hard, catalogue=10**9) for p_hard in (0.1, 1.0))
    np.testing.assert_allclose(np.diff(little), np.diff(all_of_it), atol=1e-6)
    assert np.ptp(np.diff(item_scores(COUNTS, hard, 0.1)) - np.diff(all_of_it)) > 0.1


def test_the_hardest_of_k() -> None:
    scores_V, draws = np.array([0.3, -1.0, 2.0, 0.3]), np.random.default_rng(0).integers(4, size=(200_000, 3))
    # Of the two that score alike, the later one comes first.
    hardest = draws[np.arange(len(draws)), np.argmax(np.add(scores_V, [0, 0, 0, 1e-6])[draws], axis=1)]
    np.testing.assert_allclose(hardest_share(scores_V, 3), np.bincount(hardest, minlength=4) / len(draws), atol=5e-3)
    np.testing.assert_allclose(
        hardest_scores(COUNTS, 1), item_scores(COUNTS, {}, 0.0), atol=1e-3, err_msg="one random item is p_hard=0"
    )
    # As many as there are items and more: what scores most is always the negative, so nothing can stand out.
    assert np.ptp(hardest_scores(COUNTS, 1000)) < 0.5 * np.ptp(hardest_scores(COUNTS, 1))


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
        assert found["p_hard=0"][metric] == pytest.approx([metrics[f"popularity/{metric}"]], abs=1e-6)
    assert "| radio | p_hard=1 | 1 | ." in told.err
    assert "| radio | the hardest of 10 | 1 | ." in told.err
