"""Linear models of rewards: exact where rewards are linear, and blind to the listeners that they are asked about."""

import numpy as np
import pytest

from urep_jax.evaluation import off_policy_models
from urep_jax.evaluation.off_policy_choices import Choices
from urep_jax.evaluation.off_policy_models import expected_rewards, expected_sums


def made(listeners: int = 40, steps: int = 4, seed: int = 0) -> tuple[np.ndarray, Choices, np.ndarray]:
    """Rewards that are linear in three numbers; a fourth is always the same."""
    rng = np.random.default_rng(seed)
    taken, expected = rng.normal(size=(2, listeners, steps, 4)).astype(np.float32)
    taken[..., 3] = expected[..., 3] = 2.0
    there = np.arange(steps) < rng.integers(1, steps + 1, size=(listeners, 1))
    return taken @ [1.0, -0.5, 0.2, 1.5], Choices(np.ones((listeners, steps), np.float32), taken, expected), there


def test_linear_rewards_are_told_exactly(monkeypatch) -> None:
    monkeypatch.setattr(off_policy_models, "PENALTY", 1e-6)
    rewards, choices, there = made()
    found = expected_rewards(rewards, choices, there)
    np.testing.assert_allclose(found.q[there], rewards[there], atol=1e-5)
    np.testing.assert_allclose(found.v[there], (choices.expected @ [1.0, -0.5, 0.2, 1.5])[there], atol=1e-5)
    assert (found.q[~there] == 0).all()
    assert (found.v[~there] == 0).all()


def test_a_penalty_draws_towards_the_mean() -> None:
    rewards, choices, there = made()
    found = expected_rewards(rewards, choices, there)
    assert 0.5 < np.std(found.q[there]) / np.std(rewards[there]) < 0.98


@pytest.mark.parametrize("expect", [expected_rewards, expected_sums])
def test_nobody_is_told_by_a_model_that_has_read_them(expect) -> None:
    rewards, choices, there = made()
    before = expect(rewards, choices, there)
    changed = rewards.copy()
    changed[7] += 100.0
    after = expect(changed, choices, there)
    for x, y in zip(before, after, strict=True):
        np.testing.assert_array_equal(x[1::2], y[1::2])
        assert (x[::2] != y[::2])[there[::2]].all()


def test_sums_follow_bellmans_equation(monkeypatch) -> None:
    """A chain of three places, which numbers tell apart: the policy stays with chance 0.25, else moves on, and ends."""
    monkeypatch.setattr(off_policy_models, "PENALTY", 1e-6)
    rng, steps, listeners = np.random.default_rng(3), 5, 400
    worth = np.array([[1.0, 0.0], [0.5, 2.0], [-1.0, 3.0]])
    one_hot = np.eye(6, dtype=np.float32).reshape(3, 2, 6)
    place = np.zeros((listeners, steps), int)
    action = rng.integers(0, 2, size=(listeners, steps))
    for t in range(1, steps):
        place[:, t] = place[:, t - 1] + action[:, t - 1]
    there, at = place < 3, np.minimum(place, 2)
    expected = 0.25 * one_hot[at, 0] + 0.75 * one_hot[at, 1]
    found = expected_sums(
        worth[at, action], Choices(np.ones(at.shape, np.float32), one_hot[at, action], expected), there
    )
    v = np.zeros(4)
    for t in reversed(range(steps)):
        q = worth + np.stack([v[:3], v[1:]], axis=1)
        np.testing.assert_allclose(found.q[:, t][there[:, t]], q[at[:, t], action[:, t]][there[:, t]], atol=1e-4)
        v = np.append(q @ [0.25, 0.75], 0.0)
        np.testing.assert_allclose(found.v[:, t][there[:, t]], v[at[:, t]][there[:, t]], atol=1e-4)


def test_a_half_without_events_is_refused() -> None:
    rewards, choices, there = made()
    there[::2] = False
    with pytest.raises(ValueError, match="40 listeners have no events in every other row, but each half needs some"):
        expected_rewards(rewards, choices, there)
