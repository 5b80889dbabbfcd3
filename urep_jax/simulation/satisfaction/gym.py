"""The environment with the methods of gymnax 1.0, for what is written for that interface; gymnax isn't needed.

What asks whether a space is of gymnax's own classes, as its wrappers for Gymnasium's spaces do, doesn't take these.

    environment = SatisfactionEnvironment(make_world(StreamingParams(), seed=0))
    observation, state = environment.reset(key)
    observation, state, reward, terminated, truncated, info = environment.step(key, state, action)

Source: Lange (2022), gymnax, `gymnax/environments/environment.py` of version 1.0.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from urep_jax.core.types import Feedback
from urep_jax.simulation.satisfaction.environment import (
    NOTHING,
    RECENT,
    Observation,
    Recent,
    Session,
    State,
    observe,
    reset,
    step,
)
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY, INTENTS
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import where
from urep_jax.simulation.satisfaction.spaces import Box, Discrete, Record, Slate
from urep_jax.simulation.satisfaction.world import World
from urep_jax.simulation.streaming.params import DEVICES

ANY, POSITIVE = (-jnp.inf, jnp.inf), (0.0, jnp.inf)

Taken = tuple[Observation, State, Float32[Array, ""], Bool[Array, ""], Bool[Array, ""], dict[str, Any]]


class SatisfactionEnvironment:
    """A world of listeners as one of gymnax's environments: an episode is a listener, drawn evenly.

    Args:
        world: the world.
        slate: how many items an action offers.

    Raises:
        ValueError: if more are to be offered than there are candidates.
    """

    def __init__(self, world: World, slate: int = 1) -> None:
        self.world = world
        self._actions = Discrete(self.num_actions) if slate == 1 else Slate(self.num_actions, slate)

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self).__name__

    @property
    def num_actions(self) -> int:
        """How many candidates there are in a step."""
        return self.world.pools.shape[1]

    @property
    def default_params(self) -> SatisfactionParams:
        """What is taken where no parameters are given."""
        return SatisfactionParams()

    def reset(self, key: jax.Array, params: SatisfactionParams | None = None) -> tuple[Observation, State]:
        """A listener at the beginning of a session, and what a service sees."""
        return _reset(key, self.world, self._or_default(params))

    def step(
        self,
        key: jax.Array,
        state: State,
        action: Int32[Array, "*S"] | int,
        params: SatisfactionParams | None = None,
    ) -> Taken:
        """Offer items; where the episode is over, another listener comes at once.

        Args:
            key: decides what is drawn.
            state: of the listener.
            action: the places of what is offered among the candidates.
            params: the parameters; the default ones, if None.

        Returns:
            What a service sees, and the state, both of the next listener if the episode is over; the reward; whether
            the listener left for good; whether the episode was cut; and, by name, the fields of `Info`, `terminated`,
            `truncated` and `final_observation`, what was seen after the step and before anybody else came.
        """
        return _step(key, state, jnp.asarray(action), self.world, self._or_default(params))

    def reset_env(self, key: jax.Array, params: SatisfactionParams) -> tuple[Observation, State]:
        """As `reset`."""
        return reset(key, self.world, params)

    def step_env(
        self, key: jax.Array, state: State, action: Int32[Array, "*S"] | int, params: SatisfactionParams
    ) -> tuple[Observation, State, Float32[Array, ""], Bool[Array, ""], dict[str, Any]]:
        """As `step`, but nobody comes for who is done; `is_truncated` tells whether the episode is cut."""
        seen, after, reward, terminated, _, info = step(key, state, jnp.asarray(action), self.world, params)
        return seen, after, reward, terminated, info._asdict()

    def observe(
        self, key: jax.Array, state: State, action: Int32[Array, "*S"] | int | None, params: SatisfactionParams
    ) -> Observation:
        """What a service sees of a listener; neither key nor action plays a role."""
        return observe(state, self.world)

    def is_truncated(self, state: State, params: SatisfactionParams) -> Bool[Array, ""]:
        """Whether the episode of who hasn't left is cut here."""
        return _is_at_the_end(state, params)

    def action_space(self, params: SatisfactionParams | None = None) -> Discrete | Slate:
        """What may be offered: places among the candidates."""
        return self._actions

    def observation_space(self, params: SatisfactionParams | None = None) -> Record:
        """What may be seen."""
        num_items, candidates = self.world.items.style.shape[0], (self.num_actions,)
        parts = {
            "vector": Box(*ANY, self.world.listeners.vector.shape[1:]),
            "candidates": Box(0, num_items - 1, candidates, jnp.int32),
            "heard": Box(*POSITIVE, candidates),
            "recent": self._recent_space(),
            "hour": Box(0.0, HOURS_PER_DAY),
            "device": Discrete(len(DEVICES)),
            "place": _COUNT,
            "days_since": Box(*POSITIVE),
            "hours": Box(*POSITIVE),
        }
        return Record(Observation, tuple(parts[name] for name in Observation._fields))

    def state_space(self, params: SatisfactionParams | None = None) -> Record:
        """What may be the case."""
        session = {
            "pool": Discrete(self.world.pools.shape[0]),
            "intent": Discrete(len(INTENTS)),
            "mood": Box(*ANY, self.world.listeners.by_intent.shape[2:]),
            "device": Discrete(len(DEVICES)),
            "days_since": Box(*POSITIVE),
        }
        parts = {
            "listener": Discrete(self.world.listeners.hour.shape[0]),
            "exposure": Box(*ANY),
            "satiation": Box(0.0, 1.0, self.world.styles.shape),
            "times": Box(*POSITIVE, self.world.items.style.shape),
            "patience": Box(0.0, 1.0),
            "session": Record(Session, tuple(session[name] for name in Session._fields)),
            "hour": Box(0.0, HOURS_PER_DAY),
            "place": _COUNT,
            "items": _COUNT,
            "hours": Box(*POSITIVE),
            "recent": self._recent_space(),
        }
        return Record(State, tuple(parts[name] for name in State._fields))

    def _recent_space(self) -> Record:
        parts = {
            "item": Box(NOTHING, self.world.items.style.shape[0] - 1, (RECENT,), jnp.int32),
            "feedback": Box(min(Feedback), max(Feedback), (RECENT,), jnp.int32),
            "ratio": Box(0.0, 1.0, (RECENT,)),
            "hours": Box(*POSITIVE, (RECENT,)),
        }
        return Record(Recent, tuple(parts[name] for name in Recent._fields))

    def _or_default(self, params: SatisfactionParams | None) -> SatisfactionParams:
        return self.default_params if params is None else params


_COUNT = Box(0, 2**31 - 2, (), jnp.int32)


def _is_at_the_end(state: State, params: SatisfactionParams) -> jax.Array:
    end = HOURS_PER_DAY * DAYS_PER_WEEK * params.weeks
    return (state.hours >= end) | (state.items >= params.most_items)


# The world is an argument, so that it isn't a constant of the program, and worlds of one size share it.
@jax.jit
def _reset(key: jax.Array, world: World, params: SatisfactionParams) -> tuple[Observation, State]:
    return reset(key, world, params)


@jax.jit
def _step(key: jax.Array, state: State, action: jax.Array, world: World, params: SatisfactionParams) -> Taken:
    stepping, resetting = jax.random.split(key)
    seen, after, reward, terminated, truncated, info = step(stepping, state, action, world, params)
    first_seen, first = reset(resetting, world, params)
    is_over = terminated | truncated
    told = {**info._asdict(), "terminated": terminated, "truncated": truncated, "final_observation": seen}
    return where(is_over, first_seen, seen), where(is_over, first, after), reward, terminated, truncated, told
