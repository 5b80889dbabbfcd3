"""The mechanisms, each a small function of numbers: what satisfies, what wears off, what brings listeners back."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from urep_jax.simulation.satisfaction.params import SatisfactionParams

HOURS_PER_DAY, DAYS_PER_WEEK = 24.0, 7.0

INTENTS = ("focus", "workout", "relax", "social")

PARTS_OF_DAY = ("night", "morning", "afternoon", "evening")
"""Of six hours each; night begins at 0."""

BY_PART_OF_DAY = (
    (0.0, -2.0, 1.5, 0.5),
    (1.0, 1.0, 0.0, -1.0),
    (1.5, 0.5, 0.0, 0.0),
    (-0.5, 0.5, 1.0, 1.0),
)
"""Log odds of the `INTENTS` by part of the day. No number is published; ours."""

BY_DEVICE = ((0.0, 1.0, 0.0, 0.0), (1.5, -2.0, 0.0, 0.0), (0.0, -1.0, 1.0, 1.0), (0.0, -1.0, 0.0, 1.0))
"""What is added to them by device, of `streaming.params.DEVICES`. No number is published; ours."""


def doses(params: SatisfactionParams, ratio: Float[Array, "*B"], minutes: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """How many items' worth of listening an item is: `ratio (minutes / item_minutes)^long_items`.

    Args:
        params: the world's parameters.
        ratio: share of it that was heard.
        minutes: its length.
    """
    return ratio * (minutes / params.item_minutes) ** params.long_items


def exposure_after(
    params: SatisfactionParams,
    exposure: Float[Array, "*B"],
    nourishment: Float[Array, "*B"],
    dose: Float[Array, "*B"],
    is_left: Bool[Array, "*B"],
    noise: Float[Array, "*B"],
) -> Float[Array, "*B"]:
    """Net exposure to what nourishes, after an item:

        m^dose n + (1 - m^dose) nourishment v - (1 - m) annoyance [left early] + innovation noise,   m = memory.

    Args:
        params: the world's parameters.
        exposure: n before; about -1 to 1.
        nourishment: v of the item, -1 (empty) to 1 (nourishing).
        dose: how many items' worth of it was heard, at least 0.
        is_left: whether it was left before its end.
        noise: standard normal.

    Source: RecSim (Ie et al. 2019, arXiv 1909.04847), long-term satisfaction: the net positive exposure of Choc/Kale,
    there without the factor `1 - m`, so that it runs from `-1 / (1 - m)` to `1 / (1 - m)`.
    """
    left_over = params.memory**dose
    nourished = (1 - left_over) * params.nourishment * nourishment
    annoyed = (1 - params.memory) * params.annoyance * is_left
    return left_over * exposure + nourished - annoyed + params.innovation * noise


def satisfaction_of(params: SatisfactionParams, exposure: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Satisfaction, 0 to 1: `sigmoid(sensitivity n)` of the net exposure n.

    Source: RecSim, long-term satisfaction.
    """
    return jax.nn.sigmoid(params.sensitivity * exposure)


def satiation_after(
    params: SatisfactionParams,
    satiation: Float[Array, "*B G"],
    style: Int32[Array, "*B"],
    dose: Float[Array, "*B"],
) -> Float[Array, "*B G"]:
    """How tired of each style a listener is, 0 to 1, after an item: `m^dose g + (1 - m^dose) [style]`.

    Source: SARDINE (Deffayet et al. 2023), boredom; rebounding bandits (Leqi et al. 2021) for its linear memory.
    """
    left_over = (params.satiation_memory**dose)[..., None]
    return left_over * satiation + (1 - left_over) * jax.nn.one_hot(style, satiation.shape[-1])


def recovered(
    params: SatisfactionParams, satiation: Float[Array, "*B G"], hours: Float[Array, "*B"]
) -> Float[Array, "*B G"]:
    """Satiation after so many hours without anything: halved each `recovery_hours`.

    Source: rebounding bandits (Leqi et al. 2021): a style rebounds while it rests.
    """
    return satiation * 2.0 ** (-hours / params.recovery_hours)[..., None]


def repeat_gain(params: SatisfactionParams, times: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """Utility that an item gains by being known: `repeats (2 x - x^2)`, x = times heard over `best_repeats`.

    An inverted U: nothing for what is new, most at `best_repeats`, nothing again at twice as often, and less than
    nothing past it, to `-3 repeats` at most.

    Source: Berlyne (1971), Aesthetics and Psychobiology; Chmiel and Schubert (2017), "Back to the inverted-U for music
    preference".
    """
    x = jnp.minimum(times / params.best_repeats, 3.0)
    return params.repeats * (2 * x - x**2)


def faded(params: SatisfactionParams, times: Float[Array, "*B V"], hours: Float[Array, "*B"]) -> Float[Array, "*B V"]:
    """Times that items have been heard, as far as they are remembered: halved each `repeat_days`.

    Source: Anderson and Schooler (1991), "Reflections of the environment in memory", with an exponential for their
    power law, so that one number an item is enough.
    """
    return times * 2.0 ** (-hours / (HOURS_PER_DAY * params.repeat_days))[..., None]


def intent_logits(hour: Float[Array, "*B"], device: Int32[Array, "*B"]) -> Float[Array, "*B I"]:
    """Log odds of what a session is for, by the hour at which it begins and the device.

    Source: Spotify Engineering (2021), "How Spotify uses ML to create the future of personalization": "What time of
    day is it? Is this playlist to work out or chill out? Are you on mobile or desktop?"
    """
    hours_of_part = HOURS_PER_DAY / len(PARTS_OF_DAY)
    part = jnp.clip(hour / hours_of_part, 0, len(PARTS_OF_DAY) - 1).astype(jnp.int32)
    return jnp.array(BY_PART_OF_DAY)[part] + jnp.array(BY_DEVICE)[device]


def feedback_logits(params: SatisfactionParams, utility: Float[Array, "*B"]) -> Float[Array, "*B 4"]:
    """What a listener does with an item of utility u, as logits of play, up, skip and down.

    A multinomial logit, as in the streaming world: play 0, up `up + up_slope u`, skip `skip - skip_slope u`, down
    `down - down_slope u`.
    """
    return jnp.stack(
        [
            jnp.zeros_like(utility),
            params.up + params.up_slope * utility,
            params.skip - params.skip_slope * utility,
            params.down - params.down_slope * utility,
        ],
        axis=-1,
    )


def engaged_minutes(
    params: SatisfactionParams,
    log_minutes: Float[Array, "*B"],
    spread: Float[Array, "*B"],
    satisfaction: Float[Array, "*B"],
    noise: Float[Array, "*B"],
) -> Float[Array, "*B"]:
    """Minutes that an item engages a listener who doesn't leave it: `exp(l (1 - e + e s) + spread noise)`, e = engaged.

    Args:
        params: the world's parameters.
        log_minutes: l, of full satisfaction.
        spread: standard deviation of the log, at least 0.
        satisfaction: s before the item.
        noise: standard normal.

    Source: RecSim, long-term satisfaction, with e = 1. With e = 0 and no spread, music: its length.
    """
    return jnp.exp(log_minutes * (1 - params.engaged + params.engaged * satisfaction) + spread * noise)


def patience_after(
    params: SatisfactionParams, patience: Float[Array, "*B"], is_left: Bool[Array, "*B"], trait: Float[Array, "*B"]
) -> Float[Array, "*B"]:
    """Patience that is left of a session's, 0 to 1; at 0 it ends.

    An item that is left early costs `impatience / trait`, one that is heard to its end gives back `forgiveness` times
    as much.

    Source: SARDINE (Deffayet et al. 2023) and KuaiSim (Zhao et al. 2023), leaving a session.
    """
    cost = params.impatience / trait
    return jnp.clip(patience - jnp.where(is_left, cost, -params.forgiveness * cost), 0.0, 1.0)


def enough(params: SatisfactionParams, minutes: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """The chance that a session ends by itself after so many minutes more: `1 - exp(-minutes / session_minutes)`."""
    return -jnp.expm1(-minutes / params.session_minutes)


def days_away(
    params: SatisfactionParams,
    satisfaction: Float[Array, "*B"],
    trait: Float[Array, "*B"],
    exponential: Float[Array, "*B"],
) -> Float[Array, "*B"]:
    """Days until the next session: exponential, with mean `trait return_days exp(-return_slope (2 s - 1))`.

    Args:
        params: the world's parameters.
        satisfaction: s at the end of a session.
        trait: how long the listener's pauses are beside the mean listener's.
        exponential: exponential, of mean 1.

    Source: KuaiSim (Zhao et al. 2023), the return of users; Kapoor et al. (2015), "Just in time recommendations", for
    return times that follow from what was heard.
    """
    return trait * params.return_days * jnp.exp(-params.return_slope * (2 * satisfaction - 1)) * exponential


def chance_to_leave(params: SatisfactionParams, satisfaction: Float[Array, "*B"]) -> Float[Array, "*B"]:
    """The chance not to come back after a session: its log odds fall by `leave_slope (2 s - 1)`.

    Source: KuaiSim, user retention.
    """
    calm = params.leave * jnp.exp(-params.leave_slope * (2 * satisfaction - 1))
    return calm / (1 - params.leave + calm)
