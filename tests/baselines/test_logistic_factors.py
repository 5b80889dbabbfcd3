"""Logistic factorisation: regressions against scikit-learn, and a planted structure that it must find."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from tests.data.test_sequences import whole
from tests.logs import DAY, Row, log_of
from urep_jax.baselines.like_rate import like_rate
from urep_jax.baselines.logistic_factors import ItemFactors, fit_factors, logistic_factors, regress
from urep_jax.data.splits import PaperSplit
from urep_jax.evaluation.pairs import pair_accuracy


def test_a_row_is_a_logistic_regression_with_its_penalty() -> None:
    rng = np.random.default_rng(0)
    others_VxF = rng.normal(size=(40, 3)).astype(np.float32)
    labels_UxV = np.where(rng.random((6, 40)) < 0.7, rng.choice([-1.0, 1.0], (6, 40)), 0.0).astype(np.float32)
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


def test_entries_have_weights_and_rows_a_centre() -> None:
    rng = np.random.default_rng(1)
    others_VxF = np.append(rng.normal(size=(30, 2)), rng.normal(size=(30, 1)), 1).astype(np.float32)
    labels_UxV = np.where(rng.random((3, 30)) < 0.8, rng.choice([-1.0, 1.0], (3, 30)), 0.0).astype(np.float32)
    labels_UxV[2] = 0
    labels, centre_UxF = csr_array(labels_UxV), rng.normal(0, 0.5, (3, 3)).astype(np.float32)
    weights = rng.uniform(0, 2, labels.nnz).astype(np.float32)
    solved_UxF = regress(labels, others_VxF, 0.3, np.full(3, 2.0, np.float32), weights=weights, centres=centre_UxF)
    np.testing.assert_array_equal(solved_UxF[2], centre_UxF[2], "a row that says nothing")
    for u in range(2):
        own = slice(labels.indptr[u], labels.indptr[u + 1])
        others = others_VxF[labels.indices[own]]
        x = np.append(others[:, :-1], np.ones((len(others), 1)), 1)
        p = 1 / (1 + np.exp(-(x @ solved_UxF[u] + others[:, -1] + 0.3)))
        slope_F = x.T @ (weights[own] * (p - (labels.data[own] > 0))) + 2.0 * (solved_UxF[u] - centre_UxF[u])
        np.testing.assert_allclose(slope_F, 0, atol=1e-3)


@pytest.mark.parametrize("prior", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_row_may_be_far_from_what_all_share(prior: float, share: float) -> None:
    num = 200
    labels = csr_array(np.where(np.arange(num) < share * num, 1.0, -1.0).astype(np.float32)[None])
    others_VxF = np.zeros((num, 1), np.float32)
    log_odds = float(np.log(prior / (1 - prior)))
    ((bias,),) = regress(labels, others_VxF, log_odds, np.ones(1, np.float32))
    # The slope of the penalised likelihood is zero.
    p = 1 / (1 + np.exp(-(log_odds + bias)))
    assert num * (p - share) + bias == pytest.approx(0, abs=0.02)


def test_what_says_neither_is_half_an_up_and_half_a_down() -> None:
    rng = np.random.default_rng(0)
    others_VxF = np.append(rng.normal(size=(12, 2)), np.zeros((12, 1)), 1).astype(np.float32)
    labels_V = rng.choice([-1.0, 0.0, 1.0], 12)
    row = csr_array((labels_V, np.arange(12), [0, 12]), shape=(1, 12), dtype=np.float32)
    (solved_F,) = regress(row, others_VxF, 0.0, np.full(3, 2.0, np.float32))
    x_2VxF = np.tile(np.append(others_VxF[:, :-1], np.ones((12, 1)), 1), (2, 1))
    reference = LogisticRegression(C=1 / 2.0, fit_intercept=False, tol=1e-8)
    reference.fit(x_2VxF, np.repeat([True, False], 12), sample_weight=np.append(1 + labels_V, 1 - labels_V) / 2)
    np.testing.assert_allclose(solved_F, reference.coef_[0], atol=1e-3)


def test_skips_count_where_asked() -> None:
    # All say something of item 0, but of item 1 only eight, and the others skip it.
    def word(user: int, item: int) -> str:
        return ("up" if user % 4 < 3 else "down") if item == 0 or user < 8 else "skip"

    def fitted(*, skips: bool, **instead: str) -> ItemFactors:
        events = [Row(u, v, v, instead.get(word(u, v), word(u, v))) for u in range(40) for v in (0, 1)]
        log = log_of([*events, *(Row(u, 9, 0, "up") for u in range(40))])
        return fit_factors(log, PaperSplit(cut=9, min_events=1)(log), width=1, skips=skips)

    without, counted = fitted(skips=False), fitted(skips=True)
    assert counted.prior < without.prior
    bias_V, counted_bias_V = without.items[:, -1] + without.prior, counted.items[:, -1] + counted.prior
    np.testing.assert_allclose(counted_bias_V[0], bias_V[0], atol=0.2)
    assert counted_bias_V[1] < bias_V[1] - 0.5, "of 40 events of item 1, 32 say neither"
    # Where there is no down, a skip is one whether or not it counts.
    no_downs = [fitted(skips=skips, down="skip") for skips in (False, True)]
    np.testing.assert_array_equal(no_downs[0].items, no_downs[1].items)


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
    rows, everything = np.arange(4), slice(0, log.num_items)
    np.testing.assert_array_equal(one.catalogue(rows, everything), other.catalogue(rows, everything))
    items = np.array([[3, 5]] * 4, np.int32)
    np.testing.assert_array_equal(one.candidates(rows, items), one.catalogue(rows, everything)[:, [3, 5]])


def test_wrong_values_are_refused() -> None:
    log = log_of(planted(alike=False))
    split = PaperSplit(cut=25)(log)
    with pytest.raises(ValueError, match="width is 0, but must be at least 1"):
        logistic_factors(log, split, width=0)
    with pytest.raises(ValueError, match="bias_ridge is 0, but must be above 0"):
        logistic_factors(log, split, bias_ridge=0)
    with pytest.raises(ValueError, match="days is -1, but must be above 0"):
        logistic_factors(log, split, days=-1)
    with pytest.raises(ValueError, match=r"content is of 2 items, but .* has [0-9]+; give one each"):
        logistic_factors(log, split, content=np.ones((2, 1), np.float32))
    with pytest.raises(ValueError, match="sweeps is 1, but content has a say from the second on"):
        logistic_factors(log, split, content=np.ones((log.num_items, 1), np.float32), sweeps=1)
    ups = log_of([row._replace(feedback="up") if row.time < 25 else row for row in planted(alike=False)])
    with pytest.raises(ValueError, match="there is no odds to fit"):
        logistic_factors(ups, PaperSplit(cut=25)(ups))


def test_content_tells_of_items_that_nobody_met() -> None:
    """Half of the listeners like one genre, half the other; of each genre one item is in no event."""
    rng = np.random.default_rng(0)
    genre_V = np.arange(20) % 2
    content_VxK = np.stack([genre_V == 0, genre_V == 1, np.ones(20)], 1).astype(np.float32)
    events = [
        Row(user, n, item, "up" if user % 2 == genre_V[item] else "down")
        for user in range(60)
        for n, item in enumerate(rng.permutation(np.arange(2, 20))[:11])
    ]
    log = log_of(events, num_items=20)
    is_alike = genre_V[:2, None] == genre_V[2:]
    told = {}
    for content in (None, content_VxK):
        items_VxF = fit_factors(log, whole(log), content=content).items
        told[content is None] = items_VxF[:2, :-1] @ items_VxF[2:, :-1].T
    assert not told[True].any()
    assert told[False][is_alike].min() > 0 > told[False][~is_alike].max()


def test_what_was_said_long_ago_is_as_if_it_were_not() -> None:
    """Half of the events are old and half are not, each half with as many ups as downs: what is left weighs twice."""
    rng = np.random.default_rng(0)
    events = []
    for user in range(40):
        items = rng.permutation(12)[:8]
        for n, (item, word) in enumerate(zip(items, [*rng.permutation(["up", "down"] * 2)] * 2, strict=True)):
            events.append(Row(user, n // 4 * 1000 * DAY, int(item), str(word)))
    log, new = log_of(events, num_items=12), log_of([one for one in events if one.time], num_items=12)
    found = fit_factors(log, whole(log), width=3, days=1.0)
    expected = fit_factors(new, whole(new), width=3, ridge=4.0, bias_ridge=0.5)
    np.testing.assert_allclose(found.items, expected.items, atol=2e-3)
    assert np.abs(fit_factors(log, whole(log), width=3).items - expected.items).max() > 0.1
    assert np.abs(fit_factors(log, whole(log), width=3, days=1e9).items - expected.items).max() > 0.1
