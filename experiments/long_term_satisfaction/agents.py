"""The agents that are compared, trained where they have to be."""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.long_term_satisfaction.settings import Settings
from experiments.long_term_satisfaction.training import Gym
from urep_jax.agents import dqn, planner, policies, ppo
from urep_jax.agents.views import OBSERVED, TRUE, on_top_of
from urep_jax.evaluation.long_term import Act


class Agent(NamedTuple):
    """What is judged.

    Attributes:
        act: the policy.
        learnt: what it has learnt, by world.
    """

    act: Act
    learnt: Callable[[int], Any]


def make_agents(settings: Settings, gym: Gym) -> dict[str, list[Agent]]:
    """The agents by name, in the order that is asked for; of the oracle there are several, the best of which counts.

    Args:
        settings: the run's.
        gym: where they train.
    """
    made: dict[str, list[Agent]] = {}
    nothing = Agent(policies.random, lambda world: ())
    at_once = dataclasses.replace(
        gym, params=dataclasses.replace(gym.params, reward_minutes=0.0, reward_up=1.0, reward_return=0.0)
    )
    myopic_score = policies.scorer(OBSERVED, settings.myopic.network)
    no_base = [()] * len(settings.seeds)
    if set(settings.agents) & {"myopic", "rotate", "dqn", "ppo"}:
        base = at_once.train("myopic", dqn.update, OBSERVED, no_base, settings.myopic)
    for name in settings.agents:
        if name == "random":
            made[name] = [nothing]
        elif name == "popular":
            made[name] = [Agent(policies.popular, lambda world: ())]
        elif name == "myopic":
            made[name] = [Agent(policies.best(myopic_score), base.__getitem__)]
        elif name == "rotate":
            made[name] = [Agent(policies.rotate(myopic_score), base.__getitem__)]
        elif name == "oracle":
            found = gym.train("oracle", ppo.update, TRUE, no_base, settings.oracle)
            made[name] = [
                Agent(policies.best(policies.scorer(TRUE, settings.oracle.network)), found.__getitem__),
                Agent(planner.act, _planned(settings, gym)),
            ]
        else:
            update, cfg = (dqn.update, settings.dqn) if name == "dqn" else (ppo.update, settings.ppo)
            look = on_top_of(OBSERVED, settings.myopic.network, settings.base_weight if name == "ppo" else 0.0)
            found = gym.train(name, update, look, base, cfg)
            made[name] = [Agent(policies.best(policies.scorer(look, cfg.network)), found.__getitem__)]
    return made


def _planned(settings: Settings, gym: Gym) -> Callable[[int], planner.Rule]:
    @cache
    def of(number: int) -> planner.Rule:
        # Others than those who are judged, where there are any.
        listeners = np.arange(settings.known_listeners, dtype=np.int32)[-settings.listeners :]
        return planner.plan(jax.random.fold_in(gym.keys[number], 1), gym.worlds[number], gym.params, listeners)

    return of
