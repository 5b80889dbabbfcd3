"""A loss of one's own is called once with shapes alone, before anything is trained."""

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array, Bool, Float

from urep_jax.training.negative_feedback import LossConfig


def hinge(
    positive: Float[Array, "B T"], negatives: Float[Array, "B T K"], where: Bool[Array, "B T K"]
) -> Float[Array, "B T"]:
    return jnp.sum(jnp.where(where, jax.nn.relu(1 - positive[..., None] + negatives), 0.0), -1)


def test_a_loss_of_one_number_for_each_task_is_taken() -> None:
    assert LossConfig(hinge).name is hinge


def test_a_loss_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"returns .*shape=\(\).* but must return one number for each task"):
        LossConfig(lambda *arguments: hinge(*arguments).mean())
    with pytest.raises(ValueError, match="one number for each task"):
        LossConfig(lambda *arguments: hinge(*arguments) > 0)
    with pytest.raises(ValueError, match="one number for each task"):
        LossConfig(lambda *arguments: 0.5)
    with pytest.raises(
        ValueError, match=r"can't be called as loss\(positive, negatives, where\): .*takes 1 positional"
    ):
        LossConfig(lambda positive: positive)


def test_a_loss_that_fails_without_a_word_is_named_by_its_error() -> None:
    def unfinished(*_: Array) -> Array:
        raise NotImplementedError

    with pytest.raises(ValueError, match=r"can't be called .*: NotImplementedError\(\)"):
        LossConfig(unfinished)
