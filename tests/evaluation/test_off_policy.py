"""What another policy would bring, against expectations over all that can happen, and closed forms."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urep_jax.evaluation import off_policy
from urep_jax.evaluation.off_policy import (
    Estimate,
    by_model,
    dr,
    event_weights,
    ips,
    path_weights,
    per_decision,
    sequential_dr,
    snips,
    weighted_per_decision,
    weighted_sequential_dr,
)

STEPS = 3
MOVE_SxAxS = np.array([[[0.8, 0.2, 0.0], [0.3, 0.5, 0.2]], [[0.5, 0.5, 0.0], [0.1, 0.6, 0.3]]])
"""Chance of each next state, of which the last is the end, from each of two states with each of two actions."""

REWARD_SxA = np.array([[1.0, -0.5], [0.3, 2.0]])
LOGGING_SxA = np.array([[0.7, 0.3], [0.4, 0.6]])
TARGET_SxA = np.array([[0.2, 0.8], [0.9, 0.1]])
BEGIN_S = np.array([0.6, 0.4])


def values() -> tuple[np.ndarray, np.ndarray]:
    """Backwards through Bellman's equation: what the target policy brings from each step on."""
    q_TxSxA, v_TxS = np.zeros((STEPS, 2, 2)), np.zeros((STEPS + 1, 3))
    for t in reversed(range(STEPS)):
        q_TxSxA[t] = REWARD_SxA + MOVE_SxAxS @ v_TxS[t + 1]
        v_TxS[t, :2] = (TARGET_SxA * q_TxSxA[t]).sum(1)
    return q_TxSxA, v_TxS


def trajectories() -> list[tuple[float, np.ndarray, np.ndarray]]:
    """All that can happen under the logging policy: its chance, the states and the actions."""
    found = []
    for states in itertools.product(range(3), repeat=STEPS):
        for actions in itertools.product(range(2), repeat=STEPS):
            chance = BEGIN_S[states[0]] if states[0] < 2 else 0.0
            for t in range(STEPS):
                if states[t] == 2:
                    # Over is over; one of the actions stands for none.
                    chance *= actions[t] == 0 and (t + 1 == STEPS or states[t + 1] == 2)
                    continue
                chance *= LOGGING_SxA[states[t], actions[t]]
                if t + 1 < STEPS:
                    chance *= MOVE_SxAxS[states[t], actions[t], states[t + 1]]
            if chance > 0:
                found.append((chance, np.array([states]), np.array([actions])))
    assert math.isclose(sum(chance for chance, _, _ in found), 1)
    return found


def expectation(estimate) -> float:
    """The mean of an estimate from one listener, over all that can happen to that listener."""
    total = 0.0
    for chance, state_1xT, action_1xT in trajectories():
        there = state_1xT < 2
        at = (np.minimum(state_1xT, 1), action_1xT)
        total += chance * estimate(REWARD_SxA[at], TARGET_SxA[at], LOGGING_SxA[at], there, state_1xT, action_1xT)
    return total


def test_sums_are_right_on_average_over_all_that_can_happen() -> None:
    q_TxSxA, v_TxS = values()
    truth = BEGIN_S @ v_TxS[0, :2]
    wrong_TxSxA = q_TxSxA + np.random.default_rng(0).normal(size=q_TxSxA.shape)

    def plain(rewards, target, logging, there, state, action):
        return per_decision(rewards, path_weights(target, logging, there), there).value

    def with_model(rewards, target, logging, there, state, action):
        at = np.minimum(state, 1)
        q = wrong_TxSxA[np.arange(STEPS), at, action]
        v = (TARGET_SxA * wrong_TxSxA).sum(2)[np.arange(STEPS), at]
        return sequential_dr(rewards, path_weights(target, logging, there), q, v, there).value

    assert math.isclose(expectation(plain), truth, rel_tol=1e-12)
    assert math.isclose(expectation(with_model), truth, rel_tol=1e-12)


def test_cut_weights_do_no_harm_with_a_perfect_model_and_without_one_as_much_as_is_said() -> None:
    q_TxSxA, v_TxS = values()
    truth, most = BEGIN_S @ v_TxS[0, :2], 0.8

    def with_model(rewards, target, logging, there, state, action):
        q, v = q_TxSxA[np.arange(STEPS), np.minimum(state, 1), action], v_TxS[np.arange(STEPS), state]
        return sequential_dr(rewards, path_weights(target, logging, there, most), q, v, there).value

    def plain(rewards, target, logging, there, state, action):
        return per_decision(rewards, path_weights(target, logging, there, most), there).value

    def off(rewards, target, logging, there, state, action):
        whole, cut = path_weights(target, logging, there), path_weights(target, logging, there, most)
        return ((cut - whole) * rewards * there).sum()

    assert math.isclose(expectation(with_model), truth, rel_tol=1e-12)
    assert math.isclose(expectation(plain), truth + expectation(off), rel_tol=1e-12)
    assert abs(expectation(off)) > 0.1


def test_the_next_item_is_right_on_average_over_all_that_can_happen() -> None:
    """Of the first step alone, where the situations are the same for all policies."""
    truth = BEGIN_S @ (TARGET_SxA * REWARD_SxA).sum(1)
    model_SxA = np.array([[0.4, 0.1], [-3.0, 0.7]])

    def first(estimate):
        def of(rewards, target, logging, there, state, action):
            cut = [x[:, :1] for x in (rewards, target, logging, there, np.minimum(state, 1), action)]
            return estimate(cut[0], event_weights(*cut[1:4]), cut[3], cut[4], cut[5]).value

        return of

    def with_model(r, w, there, state, action):
        return dr(r, w, model_SxA[state, action], (TARGET_SxA * model_SxA).sum(1)[state], there)

    assert math.isclose(expectation(first(lambda r, w, there, *_: ips(r, w, there))), truth, rel_tol=1e-12)
    assert math.isclose(expectation(first(with_model)), truth, rel_tol=1e-12)


def sampled(rng: np.random.Generator, listeners: int) -> tuple[np.ndarray, ...]:
    """States, actions and which events there are of so many listeners."""
    state_UxT, action_UxT = np.zeros((listeners, STEPS), int), np.zeros((listeners, STEPS), int)
    state_U = rng.choice(2, size=listeners, p=BEGIN_S)
    for t in range(STEPS):
        at_U = np.minimum(state_U, 1)
        action_U = (rng.random(listeners) < LOGGING_SxA[at_U, 1]).astype(int)
        state_UxT[:, t], action_UxT[:, t] = state_U, action_U
        moved_U = (rng.random((listeners, 1)) > MOVE_SxAxS[at_U, action_U].cumsum(1)).sum(1)
        state_U = np.where(state_U == 2, 2, np.minimum(moved_U, 2))
    return state_UxT, action_UxT, state_UxT < 2


def test_a_perfect_model_leaves_only_what_listeners_differ_by() -> None:
    """Where rewards and moves are certain, and all begin alike, the truth with no error at all."""
    truth = 1.0 + 2 * 0.5
    r = np.array([[1.0, 0.5, 0.5]] * 4) + np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    v = np.broadcast_to([truth, 1.0, 0.5], (4, 3))
    q = r + np.array([1.0, 0.5, 0.0])
    w = path_weights(np.full((4, 3), 0.9), np.full((4, 3), 0.3), np.ones((4, 3), bool))
    for estimate in (sequential_dr, weighted_sequential_dr):
        found = estimate(r, w, q, v, np.ones((4, 3), bool))
        np.testing.assert_allclose(found[:2], [truth, 0], atol=1e-9)
    found = dr(r, event_weights(np.full((4, 3), 0.9), np.full((4, 3), 0.3), r > 0), r, 0 * r + 0.7, r > 0)
    np.testing.assert_allclose(found[:2], [0.7, 0], atol=1e-12)


def test_intervals_of_sums_hold_the_truth_as_often_as_they_say() -> None:
    q_TxSxA, v_TxS = values()
    truth, rng, held = BEGIN_S @ v_TxS[0, :2], np.random.default_rng(1), []
    model_TxSxA = q_TxSxA + 0.5 * rng.normal(size=q_TxSxA.shape)
    for _ in range(400):
        state, action, there = sampled(rng, 300)
        at = (np.minimum(state, 1), action)
        r, w = REWARD_SxA[at], path_weights(TARGET_SxA[at], LOGGING_SxA[at], there)
        q = model_TxSxA[np.arange(STEPS), *at]
        v = (TARGET_SxA * model_TxSxA).sum(2)[np.arange(STEPS), at[0]]
        found = [per_decision(r, w, there), weighted_per_decision(r, w, there)]
        found += [estimate(r, w, q, v, there) for estimate in (sequential_dr, weighted_sequential_dr)]
        held.append([abs(one.value - truth) < one.ci95() for one in found])
    np.testing.assert_allclose(np.mean(held, axis=0), 0.95, atol=0.035)


def test_intervals_of_the_next_item_hold_the_truth_though_listeners_differ() -> None:
    """Listeners have tastes of their own, and events of their own number: events of one aren't independent."""
    rng, held = np.random.default_rng(2), []
    target_A, logging_A = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    worth_A, mean_events = np.array([1.0, 0.2, -0.4]), 3.5
    # Who likes everything has more events: taste is 1 for six events, -1 for one.
    truth = target_A @ worth_A + (6 - 1) / 2 / mean_events
    for _ in range(400):
        taste_U = rng.choice([-1.0, 1.0], size=200)
        there = np.arange(6) < np.where(taste_U > 0, 6, 1)[:, None]
        action = rng.choice(3, size=(200, 6), p=logging_A)
        r = worth_A[action] + taste_U[:, None] + rng.normal(size=action.shape)
        w = event_weights(target_A[action], logging_A[action], there)
        model = np.array([0.5, 0.5, 0.0])
        found = (ips(r, w, there), snips(r, w, there), dr(r, w, model[action], 0 * r + target_A @ model, there))
        held.append([abs(one.value - truth) < one.ci95() for one in found])
    np.testing.assert_allclose(np.mean(held, axis=0), 0.95, atol=0.035)


numbers = st.floats(-3, 3)


@st.composite
def logs(draw):
    """Rewards, probabilities and how many events each listener has."""
    listeners, steps = draw(st.integers(2, 5)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rewards = rng.normal(size=(listeners, steps))
    target, logging = rng.uniform(0.05, 1, size=(2, listeners, steps))
    there = np.arange(steps) < rng.integers(1, steps + 1, size=(listeners, 1))
    return rewards, target, logging, there, rng


def all_of(rewards, target, logging, there, q, v) -> dict[str, Estimate]:
    w, rho = event_weights(target, logging, there), path_weights(target, logging, there)
    return {
        "ips": ips(rewards, w, there),
        "snips": snips(rewards, w, there),
        "dr": dr(rewards, w, q, v, there),
        "by_model": by_model(v, there),
        "per_decision": per_decision(rewards, rho, there),
        "weighted_per_decision": weighted_per_decision(rewards, rho, there),
        "sequential_dr": sequential_dr(rewards, rho, q, v, there),
        "weighted_sequential_dr": weighted_sequential_dr(rewards, rho, q, v, there),
    }


def close(a: dict[str, Estimate], b: dict[str, Estimate]) -> None:
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=1e-8, atol=1e-9, err_msg=name)


@given(logs())
def test_padding_the_order_of_listeners_and_what_lies_where_no_event_is_change_nothing(of) -> None:
    rewards, target, logging, there, rng = of
    q, v = rng.normal(size=(2, *rewards.shape))
    expected = all_of(rewards, target, logging, there, q, v)
    order = rng.permutation(len(rewards))

    def changed(x: np.ndarray) -> np.ndarray:
        return np.pad(np.where(there, x, np.nan), ((0, 0), (0, 2)), constant_values=np.nan)[order]

    padded = np.pad(there, ((0, 0), (0, 2)))[order]
    close(all_of(*(changed(x) for x in (rewards, target, logging)), padded, changed(q), changed(v)), expected)


@given(logs())
def test_twice_the_listeners_are_the_same_estimate_of_twice_the_sample(of) -> None:
    rewards, target, logging, there, rng = of
    q, v = rng.normal(size=(2, *rewards.shape))
    once = all_of(rewards, target, logging, there, q, v)
    twice = all_of(*(np.tile(x, (2, 1)) for x in (rewards, target, logging, there, q, v)))
    shrunk = math.sqrt((len(rewards) - 1) / (2 * len(rewards) - 1))
    for name, one in once.items():
        wanted = (one.value, one.standard_error * shrunk, 2 * one.effective)
        np.testing.assert_allclose(twice[name], wanted, rtol=1e-8, atol=1e-9, err_msg=name)


@given(logs())
def test_the_logging_policy_brings_what_was_logged(of) -> None:
    rewards, _, logging, there, rng = of
    q, v = rng.normal(size=(2, *rewards.shape))
    found = all_of(rewards, logging, logging, there, q, v)
    event, path = rewards[there].mean(), np.where(there, rewards, 0).sum(1).mean()
    np.testing.assert_allclose([found["ips"].value, found["snips"].value], event, atol=1e-12)
    np.testing.assert_allclose([found["per_decision"].value, found["weighted_per_decision"].value], path, atol=1e-12)
    assert found["ips"].effective == pytest.approx(there.sum())
    assert found["per_decision"].effective == pytest.approx(len(rewards))


@given(logs())
def test_self_normalised_sums_are_those_of_the_papers_written_out(of) -> None:
    """Step by step, trajectory by trajectory: Thomas (2015), and Thomas and Brunskill (2016), equation 2."""
    rewards, target, logging, there, rng = of
    q, v = rng.normal(size=(2, *rewards.shape))
    listeners, steps = range(rewards.shape[0]), range(rewards.shape[1])
    rho = [
        [math.prod(target[u, s] / logging[u, s] for s in range(t + 1) if there[u, s]) for t in steps] for u in listeners
    ]
    plain = doubly = 0.0
    for t in steps:
        now = sum(rho[u][t] for u in listeners)
        before = sum(rho[u][t - 1] if t else 1 for u in listeners)
        for u in listeners:
            if there[u, t]:
                plain += rho[u][t] / now * rewards[u, t]
                doubly += rho[u][t] / now * (rewards[u, t] - q[u, t]) + (rho[u][t - 1] if t else 1) / before * v[u, t]
    found = all_of(rewards, target, logging, there, q, v)
    assert found["weighted_per_decision"].value == pytest.approx(plain, abs=1e-9)
    assert found["weighted_sequential_dr"].value == pytest.approx(doubly, abs=1e-9)


@given(logs(), numbers)
def test_a_shift_of_rewards_shifts_what_is_self_normalised_and_nothing_else(of, shift) -> None:
    rewards, target, logging, _, rng = of
    q, v = rng.normal(size=(2, *rewards.shape))
    there = np.ones(rewards.shape, bool)
    before = all_of(rewards, target, logging, there, q, v)
    shifted = all_of(rewards + shift, target, logging, there, q, v)
    steps = rewards.shape[1]
    for name, by in (("snips", shift), ("weighted_per_decision", steps * shift)):
        wanted = (before[name].value + by, *before[name][1:])
        np.testing.assert_allclose(shifted[name], wanted, rtol=1e-8, atol=1e-9, err_msg=name)
    # A model that is as far off as the rewards takes the shift with it, however the weights lie.
    to_go = shift * np.arange(steps, 0, -1)
    both = all_of(rewards + shift, target, logging, there, q + to_go, v + to_go)
    for name in ("sequential_dr", "weighted_sequential_dr"):
        wanted = (before[name].value + steps * shift, *before[name][1:])
        np.testing.assert_allclose(both[name], wanted, rtol=1e-8, atol=1e-9, err_msg=name)


@given(logs(), st.floats(0.1, 3))
def test_cut_weights_are_the_same_below_the_cut_and_lower_what_is_above_nothing(of, most) -> None:
    rewards, target, logging, there, _ = of
    for weights, estimate in ((event_weights, ips), (path_weights, per_decision)):
        whole, cut = weights(target, logging, there), weights(target, logging, there, most)
        np.testing.assert_allclose(cut, np.minimum(whole, most), rtol=1e-12)
        assert estimate(abs(rewards), cut, there).value <= estimate(abs(rewards), whole, there).value + 1e-12


def test_the_effective_sample_is_kishs() -> None:
    there = np.ones((2, 2), bool)
    w = event_weights(np.array([[0.5, 0.1], [0.1, 0.1]]), np.full((2, 2), 0.1), there)
    assert ips(w, w, there).effective == pytest.approx((5 + 3) ** 2 / (25 + 3))
    rho = path_weights(np.array([[0.5, 0.1], [0.1, 0.1]]), np.array([[0.1, 0.1], [0.1, 0.2]]), there)
    assert per_decision(w, rho, there).effective == pytest.approx((5 + 0.5) ** 2 / (25 + 0.25))


def test_where_nobody_was_offered_what_the_policy_would_nothing_is_claimed() -> None:
    there, none = np.ones((3, 2), bool), np.zeros((3, 2))
    found = all_of(none + 1, none, none + 0.5, there, none, none)
    assert found["ips"].value == found["per_decision"].value == 0
    for name in ("snips", "weighted_per_decision", "weighted_sequential_dr"):
        assert math.isnan(found[name].value), name
    for name in found.keys() - {"by_model"}:
        assert math.isnan(found[name].ci95()), name
        assert found[name].effective == 0, name
    assert math.isnan(ips(none[:1], none[:1] + 1, there[:1]).ci95()), "of one listener there is no interval"


def test_long_paths_are_summed_as_logarithms_and_refused_beyond_all_numbers() -> None:
    there = np.ones((1, 400), bool)
    assert path_weights(np.tile([1.0, 0.01], (1, 200)), np.tile([0.01, 1.0], (1, 200)), there)[0, -1] == pytest.approx(
        1
    )
    big = (np.ones((1, 400)), np.full((1, 400), 0.01), there)
    with pytest.raises(ValueError, match=r"weight of listener 0 at event 154 is e\^714, but must be a number; ask"):
        path_weights(*big)
    assert path_weights(*big, 50.0).max() == pytest.approx(50)


@pytest.mark.parametrize("weights", [off_policy.event_weights, off_policy.path_weights])
def test_probabilities_that_cannot_be_are_refused(weights) -> None:
    good, there = np.full((2, 3), 0.5), np.ones((2, 3), bool)
    bad = good.copy()
    bad[1, 2] = 0.0
    assert weights(bad, good, there)[1, 2] == 0
    with pytest.raises(ValueError, match=r"logging is 0.0 for listener 1 at event 2, but what was chosen there has a"):
        weights(good, bad, there)
    assert weights(good, bad, bad > 0).shape == (2, 3), "where no event is, it may be anything"
    bad[1, 2] = 1.2
    with pytest.raises(ValueError, match=r"target is 1.2 for listener 1 at event 2, .* a probability from 0 to 1; log"):
        weights(bad, good, there)
    with pytest.raises(ValueError, match=r"most is 0.0, but the largest weight must be above 0; raise it"):
        weights(good, good, there, 0.0)
