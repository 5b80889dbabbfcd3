"""The agents that are compared, trained where they have to be."""

import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.long_term_satisfaction.settings import Settings
from experiments.long_term_satisfaction.training import Course, Gym
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
    courses = {course.name: course for course in _courses(settings)}
    gym.compile(list(courses.values()))
    made: dict[str, list[Agent]] = {}
    trained: dict[str, list[Any]] = {}
    no_base = [()] * len(settings.seeds)
    for name, course in courses.items():
        trained[name] = gym.train(course, no_base if course.base is None else trained[course.base.name])
    # Who looks in the same way acts by one program, whatever scores began with.
    acts = {
        course.look.listener: policies.best(policies.scorer(course.look, course.cfg.network))
        for course in courses.values()
    }
    for name in settings.agents:
        if name == "random":
            made[name] = [Agent(policies.random, lambda world: ())]
        elif name == "popular":
            made[name] = [Agent(policies.popular, lambda world: ())]
        elif name == "rotate":
            score = policies.scorer(courses["myopic"].look, settings.myopic.network)
            made[name] = [Agent(policies.rotate(score), trained["myopic"].__getitem__)]
        else:
            act = acts[courses[name].look.listener]
            made[name] = [Agent(act, trained[name].__getitem__)]
    if "oracle" in made:
        made["oracle"].append(Agent(planner.act, _planned(settings, gym)))
    return made


def _courses(settings: Settings) -> list[Course]:
    """How those are trained who are trained, those first whom others ask."""
    params = settings.params
    ups = dataclasses.replace(params, reward_minutes=0.0, reward_up=1.0, reward_return=0.0)
    myopic = Course("myopic", dqn.update, OBSERVED, settings.myopic, ups)
    expects = on_top_of(OBSERVED, settings.myopic.network, 0.0)
    begins_with = expects._replace(weights=(*OBSERVED.weights, settings.base_weight))
    courses = {
        "myopic": myopic,
        "dqn": Course("dqn", dqn.update, expects, settings.dqn, params, myopic),
        "ppo": Course("ppo", ppo.update, begins_with, settings.ppo, params, myopic),
        "oracle": Course("oracle", ppo.update, TRUE, settings.oracle, params),
    }
    asked = set(settings.agents) | ({"myopic"} if set(settings.agents) & {"rotate", "dqn", "ppo"} else set())
    return [course for name, course in courses.items() if name in asked]


def _planned(settings: Settings, gym: Gym) -> Callable[[int], planner.Rule]:
    @cache
    def of(number: int) -> planner.Rule:
        # Others than those who are judged, where there are any; half of their number suffices to tell rules apart.
        count = settings.listeners // 2 + 1
        listeners = np.arange(settings.known_listeners, dtype=np.int32)[-count:]
        return planner.plan(jax.random.fold_in(gym.keys[number], 1), gym.worlds[number], settings.params, listeners)

    return of
