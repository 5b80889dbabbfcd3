"""When users come, for how long, and on what device."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.keys import SESSION_STREAMS, pick
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.users import DEVICE_SHARES, User

FIRST_SPREAD = 1.5
"""Standard deviation of the log of the minutes from registration to the first session."""

SHOWS_IN_SESSION = 1.5
"""Mean episodes in a session of shows. No number is published."""


class Sessions(NamedTuple):
    """The sessions of one user, or of many with a leading axis `U`.

    Attributes:
        pause: seconds from the beginning of the session before (the first: from the start of the window) to this one's.
        length: events that the session has, unless the next one begins before.
        device: index into `DEVICES`.
        is_show: whether shows are heard, not tracks.
    """

    pause: Float32[Array, "*U S"]
    length: Int32[Array, "*U S"]
    device: Int32[Array, "*U S"]
    is_show: Bool[Array, "*U S"]


def make_sessions(params: StreamingParams, user: User, *, keys: Keys) -> Sessions:
    """Draw a user's sessions.

    Pauses between beginnings are lognormal with mean `gap` and log spread `gap_spread`. Who registers within the
    window comes `first_minutes exp(1.5 z)` minutes later; who was there before is met within a pause, and the longer
    a pause, the likelier to be met in it. Lengths are geometric.

    Args:
        params: the world's parameters.
        user: one user.
        keys: the world's keys, from `streaming_keys`.
    """
    key, count = pick(keys, SESSION_STREAMS, user.number), (params.max_sessions,)
    spread = params.gap_spread
    pause_S = user.gap * jnp.exp(spread * jax.random.normal(key["pause"], count) - spread**2 / 2)
    z, when = jax.random.normal(key["first_session"]), jax.random.uniform(jax.random.fold_in(key["first_session"], 1))
    met = when * user.gap * jnp.exp(spread * z + spread**2 / 2)
    first = user.registered + 1 + 60 * params.first_minutes * jnp.exp(FIRST_SPREAD * z)
    pause_S = pause_S.at[0].set(jnp.where(user.registered < 0, met, first))

    is_show_S = user.is_show_user & (jax.random.uniform(key["is_show"], count) < params.show_sessions)
    mean_S = jnp.where(is_show_S, SHOWS_IN_SESSION, params.session_length)
    # A mean of 1 leaves no doubt, and no logarithm.
    stay_S = jnp.log1p(-jnp.minimum(1 / mean_S, 1 - 1e-6))
    length_S = 1 + jnp.floor(jnp.log1p(-jax.random.uniform(key["length"], count)) / stay_S)

    chance_S = jax.random.uniform(key["session_device"], count)
    other_key = jax.random.fold_in(key["session_device"], 1)
    other_S = jax.random.categorical(other_key, jnp.log(jnp.array(DEVICE_SHARES)), shape=count)
    return Sessions(
        pause=jnp.minimum(pause_S, params.num_seconds),
        length=jnp.clip(length_S, 1, params.max_session).astype(jnp.int32),
        device=jnp.where(chance_S < params.main_device, user.device, other_S).astype(jnp.int32),
        is_show=is_show_S,
    )
