"""Optimisers, and how the learning rate changes over a training."""

from typing import Literal, get_args

import optax

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
    if not callable(learning_rate) and not learning_rate > 0:
        raise ValueError(f"learning_rate is {learning_rate}, but must be above 0")
    return optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(learning_rate))


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
