"""Optimisers, and how the learning rate changes over a training."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax
from optax.contrib import MuonDimensionNumbers
from optax.contrib import muon as optax_muon

from urep_jax.models.layers import LinearMap
from urep_jax.training.objective import Params

OptimizerName = Literal["adam", "muon"]
"""What the functions of these names make."""

ScheduleName = Literal["constant", "cosine"]
"""What the learning rate does after its warm-up: stay, or fall along half a cosine to nothing at the last step."""


def adam(learning_rate: float | optax.Schedule, *, clip_norm: float = 1.0) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015) on gradients whose global norm is clipped.

    On tables that are row-sparse it is lazy Adam (`training.row_sparse`).

    Args:
        learning_rate: step size, above 0, or what it is at each step (`learning_rates`).
        clip_norm: largest norm that a gradient keeps.

    Raises:
        ValueError: if `learning_rate` is not above 0.
    """
    _check_rate(learning_rate)
    return optax.chain(_clipped(clip_norm), optax.adam(learning_rate))


def muon(
    learning_rate: float | optax.Schedule, linear_maps: Callable[[Params], Any], *, clip_norm: float = 1.0
) -> optax.GradientTransformation:
    """Muon on what maps vectors to vectors, and Adam on all else, such as tables; both with Nesterov's momentum.

    A map's momentum is replaced by the nearest matrix whose singular values are all the same: directions that gradients
    seldom point to move as far as those that they always do. It moves as far as Adam would on average, so that the two
    have one learning rate.

    Args:
        learning_rate: step size, above 0, or what it is at each step (`learning_rates`).
        linear_maps: for each parameter a `models.layers.LinearMap`, or None.
        clip_norm: largest norm that a gradient keeps.

    Raises:
        ValueError: if `learning_rate` is not above 0.

    Source:
        Jordan et al. 2024 (Muon); Liu et al. 2025 (Muon is Scalable for LLM Training), §2.2, for how far it moves;
        Dozat 2016 (Adam with Nesterov's momentum).
    """
    _check_rate(learning_rate)

    def axes(params: Params) -> Any:
        if not isinstance(params, Mapping):
            # What optax has in place of parameters where it asks how a state is made (`optax.tree_map_params`).
            return params
        return jax.tree.map(
            lambda of: None if of is None else MuonDimensionNumbers(of.inputs, of.outputs),
            linear_maps(params),
            is_leaf=lambda of: of is None or isinstance(of, LinearMap),
        )

    moves = optax_muon(learning_rate, muon_weight_dimension_numbers=axes, consistent_rms=_ADAMS_ROOT_MEAN_SQUARE)
    return optax.chain(_clipped(clip_norm), moves)


def _clipped(clip_norm: float) -> optax.GradientTransformationExtraArgs:
    """`optax.clip_by_global_norm`, which can be told a norm, for where it is given only a part of the gradient."""

    def update(
        updates: Params, state: optax.OptState, params: Params = None, *, grad_norm: Any = None, **_: Any
    ) -> tuple[Params, optax.OptState]:
        norm = optax.tree.norm(updates) if grad_norm is None else grad_norm
        return jax.tree.map(lambda g: jnp.where(norm < clip_norm, g, g / norm * clip_norm), updates), state

    return optax.GradientTransformationExtraArgs(lambda params: optax.EmptyState(), update)


_ADAMS_ROOT_MEAN_SQUARE = 0.2
"""Of the entries of a step of Adam, in learning rates (Liu et al. 2025, §2.2)."""


def _check_rate(learning_rate: float | optax.Schedule) -> None:
    if not callable(learning_rate) and not learning_rate > 0:
        raise ValueError(f"learning_rate is {learning_rate}, but must be above 0")


def learning_rates(peak: float, schedule: ScheduleName, warmup: int, num_steps: int) -> optax.Schedule:
    """The learning rate at each step: it rises evenly to its peak, then follows the schedule.

    Args:
        peak: the largest, above 0.
        schedule: what follows the warm-up.
        warmup: steps in which it rises, fewer than `num_steps`; the first of them moves a little already.
        num_steps: steps of the whole training, if nothing ends it early.

    Raises:
        ValueError: if a value is out of range.

    Example:
        >>> rate = learning_rates(1.0, "cosine", warmup=2, num_steps=12)
        >>> [round(float(rate(step)), 2) for step in (0, 1, 2, 7, 12)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if not peak > 0:
        raise ValueError(f"learning_rate is {peak}, but must be above 0")
    if schedule not in get_args(ScheduleName):
        raise ValueError(f"schedule is {schedule!r}, but must be one of {', '.join(get_args(ScheduleName))}")
    if not 0 <= warmup < num_steps:
        raise ValueError(f"warmup is {warmup} steps, but must be at least 0 and fewer than all, {num_steps}")
    after = optax.constant_schedule(peak)
    if schedule == "cosine":
        after = optax.cosine_decay_schedule(peak, num_steps - warmup)
    return optax.join_schedules([lambda step: peak * (step + 1) / max(1, warmup), after], [warmup])
