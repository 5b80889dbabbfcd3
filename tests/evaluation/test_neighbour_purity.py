"""Purity of neighbours against loops, and beside chance."""

import numpy as np
import pytest

from urep_jax.evaluation import neighbour_purity as module
from urep_jax.evaluation.neighbour_purity import neighbour_purity


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("cosines", [module._SCORES, 100])
def test_matches_loops(cosines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SCORES", cosines)
    rng = np.random.default_rng(0)
    vectors, label = unit(rng.normal(size=(40, 4))), rng.integers(-1, 5, 40)
    vectors[3] = 0
    part = [v for v in range(40) if label[v] >= 0 and v != 3]
    purity = neighbour_purity(vectors, label, k=3)
    for n, v in enumerate(part):
        others = sorted((w for w in part if w != v), key=lambda w, v=v: -vectors[v] @ vectors[w])
        assert purity.share[n] == pytest.approx(np.mean([label[w] == label[v] for w in others[:3]]))
        assert purity.chance[n] == pytest.approx(np.mean([label[w] == label[v] for w in others]))


def test_labels_that_have_nothing_to_do_with_vectors_are_at_chance() -> None:
    rng = np.random.default_rng(1)
    purity = neighbour_purity(unit(rng.normal(size=(1500, 5))), rng.integers(0, 4, 1500), k=10)
    share, chance = purity.means()
    assert chance.compute() == pytest.approx(0.25, abs=0.005)
    assert share.compute() == pytest.approx(chance.compute(), abs=0.02)


def test_without_enough_neighbours_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"k is 2, but must be at least 1 and below .* 2"):
        neighbour_purity(unit(np.ones((3, 2))), np.array([0, -1, 0]), k=2)
