"""Logistic factorisation: regressions against scikit-learn, and a planted structure that it must find."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from tests.logs import Row, log_of
from urep_jax.baselines.like_rate import like_rate
from urep_jax.baselines.logistic_factors import logistic_factors, regress
from urep_jax.data.splits import PaperSplit
from urep_jax.evaluation.pairs import pair_accuracy

RNG = np.random.default_rng(0)


def test_a_row_is_a_logistic_regression_with_its_penalty() -> None:
    others_VxF = RNG.normal(size=(40, 3)).astype(np.float32)
    labels_UxV = np.where(RNG.random((6, 40)) < 0.7, RNG.choice([-1.0, 1.0], (6, 40)), 0.0).astype(np.float32)
    labels_UxV[5] = 0
    solved_UxF = regress(csr_array(labels_UxV), others_VxF, 0.0, np.full(3, 2.0, np.float32))
    assert not solved_UxF[5].any(), "a row that says nothing"
    for labels_V, solved_F in zip(labels_UxV[:5], solved_UxF[:5], strict=True):
        says = labels_V != 0
        x = np.append(others_VxF[says, :-1], np.ones((says.sum(), 1)), 1)
        # The bias of the columns is an offset, which scikit-learn lacks: the slope of the penalised likelihood is zero.
        p = 1 / (1 + np.exp(-(x @ solved_F + others_VxF[says, -1])))
        np.testing.assert_allclose(x.T @ (p - (labels_V[says] > 0)) + 2.0 * solved_F, 0, atol=1e-3)

    no_bias = others_VxF.copy()
    no_bias[:, -1] = 0
    (solved_F,) = regress(csr_array(labels_UxV[:1]), no_bias, 0.0, np.full(3, 2.0, np.float32))
    says = labels_UxV[0] != 0
    x = np.append(no_bias[says, :-1], np.ones((says.sum(), 1)), 1)
    reference = LogisticRegression(C=1 / 2.0, fit_intercept=False, tol=1e-8).fit(x, labels_UxV[0, says] > 0)
    np.testing.assert_allclose(solved_F, reference.coef_[0], atol=1e-3)


def planted(alike: bool) -> list[Row]:
    """Two kinds of listeners who like opposite halves of the items, or all the same one."""
    rng = np.random.default_rng(1)
    events = []
    for user in range(120):
        for t in range(40):
            item = int(rng.integers(30))
            likes = (item < 15) == (alike or user % 2 == 0)
            word = "up" if rng.random() < (0.9 if likes else 0.1) else "down"
            events.append(Row(user, t, item, word))
    return events


@pytest.mark.parametrize("alike", [False, True])
def test_it_finds_kinds_of_listeners_that_a_like_rate_cannot(alike: bool) -> None:
    log = log_of(planted(alike))
    split = PaperSplit(cut=25, validation_share=0.2)(log)
    found = pair_accuracy(logistic_factors(log, split, width=2, ridge=1.0)(log, split.test), split.test).value
    like = pair_accuracy(like_rate(log, split)(log, split.test), split.test).value
    # A listener's own answers are 0.9 certain each: at best 0.81 + 0.18 / 2 of the pairs come out right, as like-rate
    # does where all are alike.
    assert found > 0.8
    assert like > 0.8 if alike else like < 0.6


def test_the_same_seed_gives_the_same_and_its_own_scores_twice() -> None:
    log = log_of(planted(alike=False))
    split = PaperSplit(cut=25)(log)
    one, other = (logistic_factors(log, split, width=2, sweeps=2, seed=3)(log, split.test) for _ in range(2))
    rows = np.arange(4)
    np.testing.assert_array_equal(one.catalogue(rows), other.catalogue(rows))
    items = np.array([[3, 5]] * 4, np.int32)
    np.testing.assert_array_equal(one.candidates(rows, items), one.catalogue(rows)[:, [3, 5]])


def test_wrong_values_are_refused() -> None:
    log = log_of(planted(alike=False))
    split = PaperSplit(cut=25)(log)
    with pytest.raises(ValueError, match="width is 0, but must be at least 1"):
        logistic_factors(log, split, width=0)
    with pytest.raises(ValueError, match="bias_ridge is 0, but must be above 0"):
        logistic_factors(log, split, bias_ridge=0)
    ups = log_of([row._replace(feedback="up") if row.time < 25 else row for row in planted(alike=False)])
    with pytest.raises(ValueError, match="there is no odds to fit"):
        logistic_factors(ups, PaperSplit(cut=25)(ups))
