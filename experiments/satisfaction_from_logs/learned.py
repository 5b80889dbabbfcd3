"""The third question: can what is learnt from logs stand in for listeners, to judge policies and to train agents?"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from experiments.long_term_satisfaction.training import Course, Gym
from experiments.satisfaction_from_logs.learning import LearntResponses
from experiments.satisfaction_from_logs.logged import NEW_LISTENERS, Logged
from experiments.satisfaction_from_logs.rivals import rivals
from experiments.satisfaction_from_logs.settings import Settings
from urep_jax.agents import dqn, policies, ppo, softmax_policies
from urep_jax.agents.learned_world import LEARNED, LearnedWorld, learned_world
from urep_jax.agents.softmax_policies import SoftmaxPolicies
from urep_jax.agents.views import OBSERVED, Look, on_top_of
from urep_jax.core.streams import numpy_stream, stream
from urep_jax.core.types import Feedback
from urep_jax.data.listening_history import KnownItems
from urep_jax.evaluation.long_term import Act, Episodes, follow, outcome
from urep_jax.evaluation.policy_ranks import Agreement, agreement
from urep_jax.metrics.mean import Mean
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.environment import AnyWorld
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import TRUE, Environment
from urep_jax.simulation.satisfaction.world import World
from urep_jax.training.returns_said import Range, range_of_returns

TRUTH, FIRST, SECOND = "true", "first", "second"
WORLDS = (TRUTH, FIRST, SECOND)
"""Where every policy is followed: the world itself, if it is a simulated one, and two that were learnt from disjoint
listeners' logs."""

AGENTS = ("myopic", "ppo")
"""What is trained, in the first learned world."""

COMPARED = ("reward", "ups", "sessions")
"""What judges are compared by: reward, ups less downs, and sessions, as of `Followed`."""

JUDGES = {
    "first_and_true": (FIRST, TRUTH),
    "second_and_true": (SECOND, TRUTH),
    "first_and_second": (FIRST, SECOND),
}
"""Which judges are compared, each a place where policies are followed."""

_OPINIONS = (Feedback.UP, Feedback.DOWN)


class Responses(NamedTuple):
    """A response model, as a world is made of it.

    Attributes:
        items: what it reads of what can be played.
        params: its parameters.
        returns: within which its hazards of coming back are held.
        model: its size.
    """

    items: KnownItems
    params: Any
    returns: Range
    model: ResponseConfig


class Followed(NamedTuple):
    """What became of listeners.

    Attributes:
        reward: of each over the weeks.
        ups: less downs.
        sessions: that ended.
        satisfaction: in weeks; hidden, and so NaN in a learned world.
    """

    reward: np.ndarray
    ups: np.ndarray
    sessions: np.ndarray
    satisfaction: np.ndarray


Found = Mapping[str, Mapping[str, Followed]]
"""By the policy's name and that of `WORLDS`."""


def responses(learnt: Sequence[LearntResponses]) -> tuple[Responses, ...]:
    """What was learnt of each half of the listeners, ready to stand in for them.

    Args:
        learnt: from `learning.learn_both`.
    """
    return tuple(
        Responses(
            one.items,
            one.params,
            range_of_returns(one.params, one.windows[one.train], one.items, one.model),
            one.model,
        )
        for one in learnt
    )


def train_and_follow(
    logged: Logged, learnt: Sequence[Responses], settings: Settings, folder: Path, console: Console
) -> Found:
    """Train agents in the first learned world; follow them and `rivals` in it, in the second, and in the true one.

    Args:
        logged: the logs of a simulated world.
        learnt: the response models of two disjoint logs.
        settings: the run's.
        folder: where snapshots of agents go.
        console: where progress is shown.
    """
    assert logged.world is not None
    training = learned_world(logged.service, logged.train.log, *learnt[0])
    judged = drawn_policies(rivals(logged.seed, logged.world))
    judged |= _trained(training, logged.seed, settings, folder, console)
    return follow_all(logged, NEW_LISTENERS, learnt, judged, settings.params, settings.followed, console)


def follow_all(
    logged: Logged,
    test: str,
    learnt: Sequence[Responses],
    judged: Mapping[str, tuple[Act, Any]],
    params: SatisfactionParams,
    count: int,
    console: Console,
) -> Found:
    """Follow policies in both learned worlds, and in the true one if it is there.

    Listeners are the same everywhere: the first of a test, from whom neither world was learnt.

    Args:
        logged: the logs.
        test: the test's name.
        learnt: the response models of two disjoint logs.
        judged: by name, how each policy acts, and what it has learnt.
        params: of the worlds.
        count: of listeners.
        console: where progress is shown.
    """
    known = jax.tree.map(lambda x: x[:count], logged.tests[test].log)
    number_U = np.arange(len(known.listener), dtype=np.int32)
    places: dict[str, tuple[AnyWorld, np.ndarray, Environment]] = {}
    if logged.world is not None:
        places[TRUTH] = logged.world, known.listener, TRUE
    for name, one in zip((FIRST, SECOND), learnt, strict=True):
        places[name] = learned_world(logged.service, known, *one), number_U, LEARNED

    def followed(name: str, act: Act, learnt: Any) -> dict[str, Followed]:
        found = {}
        with console.status(f"following {name}"):
            for place, (world, listeners, environment) in places.items():
                key = stream(logged.seed, f"learned.{place}")
                episodes = follow(key, world, params, act, learnt, listeners, environment=environment)
                found[place] = _followed(episodes, logged.world if environment is TRUE else None, params)
        return found

    return {name: followed(name, *one) for name, one in judged.items()}


def drawn_policies(policies: Mapping[str, SoftmaxPolicies]) -> dict[str, tuple[Act, Any]]:
    """Policies of weights, as `follow_all` asks for them."""
    return {name: (softmax_policies.act, policy) for name, policy in policies.items()}


def _trained(
    world: LearnedWorld, seed: int, settings: Settings, folder: Path, console: Console
) -> dict[str, tuple[Act, Any]]:
    """The agents, as they are followed: each its policy, and what it has learnt."""
    look, acts = _looks_and_acts(settings.myopic.network, settings.base_weight)
    gym = Gym([stream(seed, "learned.agents")], [world], folder, console, LEARNED)
    ups = dataclasses.replace(settings.params, reward_minutes=0.0, reward_up=1.0, reward_return=0.0)
    myopic = Course("myopic", dqn.update, OBSERVED, settings.myopic, ups)
    ahead = Course("ppo", ppo.update, look, settings.ppo, settings.params, myopic)
    gym.compile([myopic, ahead])
    base = gym.train(myopic, [()])
    far = gym.train(ahead, base)
    return dict(zip(AGENTS, zip(acts, (*base, *far), strict=True), strict=True))


@functools.cache
def _looks_and_acts(network: CandidateScorerConfig, base_weight: float) -> tuple[Look, tuple[Act, Act]]:
    """Made once, so that what is compiled for one world serves all."""
    look = on_top_of(OBSERVED, network, base_weight)
    return look, (policies.best(policies.scorer(OBSERVED, network)), policies.best(policies.scorer(look, network)))


def _followed(episodes: Episodes, world: World | None, params: SatisfactionParams) -> Followed:
    reward_U = np.where(episodes.is_there, episodes.reward, 0.0).sum(0)
    ups_U, downs_U = ((episodes.is_there & (episodes.info.feedback == kind)).sum(0) for kind in _OPINIONS)
    sessions_U = (episodes.is_there & episodes.info.session_over).sum(0).astype(np.float64)
    hidden_U = np.full(len(reward_U), np.nan)
    if world is not None:
        hidden_U = outcome(episodes, world, params).total_satisfaction
    return Followed(reward_U, (ups_U - downs_U).astype(np.float64), sessions_U, hidden_U)


def values(found: Sequence[Found], measure: str, place: str) -> np.ndarray:
    """The mean over listeners of a measure in each world, and of each policy: S x A."""
    return np.array([[getattr(of[place], measure).mean() for of in one.values()] for one in found])


def agreements(found: Sequence[Found], seed: int) -> dict[str, dict[str, Agreement]]:
    """How far each two judges agree on the order of policies, by their name and by what is compared.

    Beside those of `JUDGES` that are there, hidden satisfaction judges rewards.

    Args:
        found: of each world.
        seed: names the random stream of the intervals.
    """
    there = worlds_of(found)
    compared = {
        name: {measure: ((measure, one), (measure, other)) for measure in COMPARED}
        for name, (one, other) in JUDGES.items()
        if {one, other} <= set(there)
    }
    if TRUTH in there:
        for place in (FIRST, TRUTH):
            compared[f"{place}_and_satisfaction"] = {"reward": (("reward", place), ("satisfaction", TRUTH))}
    return {
        name: {
            measure: agreement(
                values(found, *one), values(found, *other), numpy_stream(seed, f"learned.{name}.{measure}")
            )
            for measure, (one, other) in by_measure.items()
        }
        for name, by_measure in compared.items()
    }


def worlds_of(found: Sequence[Found]) -> tuple[str, ...]:
    """Where policies were followed, of `WORLDS`."""
    return tuple(next(iter(found[0].values())))


def metrics_of(found: Sequence[Found], seed: int) -> dict[str, float]:
    """What `metrics.json` says of it: each policy everywhere, agreements, and what training there gains."""
    metrics: dict[str, float] = {}

    def note(name: str, by_listener: np.ndarray) -> None:
        mean = Mean.from_batch(by_listener)
        metrics[name], metrics[f"{name}_ci95"] = mean.compute(), mean.ci95()

    def of(policy: str, measure: str, place: str) -> np.ndarray:
        return np.concatenate([getattr(one[policy][place], measure) for one in found])

    places = worlds_of(found)
    for policy in found[0]:
        if TRUTH in places:
            note(f"learned/{policy}/satisfaction", of(policy, "satisfaction", TRUTH))
        for measure in COMPARED:
            for place in places:
                note(f"learned/{policy}/{measure}/{place}", of(policy, measure, place))
    if TRUTH in places:
        for other in ("random", "myopic"):
            for measure in ("satisfaction", "reward"):
                ahead = of("ppo", measure, TRUTH) - of(other, measure, TRUTH)
                note(f"learned/ppo/{measure}_over_{other}", ahead)
    for name, by_measure in agreements(found, seed).items():
        for measure, one in by_measure.items():
            stem = f"learned/agreement/{name}/{measure}"
            metrics[stem], metrics[f"{stem}_low"], metrics[f"{stem}_high"] = one.correlation, one.low, one.high
    return metrics
