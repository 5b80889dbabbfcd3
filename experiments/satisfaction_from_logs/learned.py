"""The third question: can what is learnt from logs stand in for listeners, to judge policies and to train agents?"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console

from experiments.long_term_satisfaction.training import Gym
from experiments.satisfaction_from_logs.learning import Learnt
from experiments.satisfaction_from_logs.logged import NEW_LISTENERS, Logged
from experiments.satisfaction_from_logs.rivals import rivals
from experiments.satisfaction_from_logs.settings import Settings
from urep_jax.agents import dqn, policies, ppo, softmax_policies
from urep_jax.agents.learned_world import LEARNED, LearnedWorld, learned_world
from urep_jax.agents.views import OBSERVED, Look, on_top_of
from urep_jax.core.streams import numpy_stream, stream
from urep_jax.data.listening_history import KnownItems
from urep_jax.data.response_windows import ResponseWindows
from urep_jax.evaluation.long_term import Act, Episodes, follow, outcome
from urep_jax.evaluation.policy_ranks import Agreement, agreement
from urep_jax.metrics.mean import Mean
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.environment import AnyWorld
from urep_jax.simulation.satisfaction.rollout import TRUE, Environment
from urep_jax.training.returns_said import Range, range_of_returns

TRUTH, FIRST, SECOND = "true", "first", "second"
WORLDS = (TRUTH, FIRST, SECOND)
"""Where every policy is followed: the world itself, and two that were learnt from disjoint listeners' logs."""

AGENTS = ("myopic", "ppo")
"""What is trained, in the first learned world."""

AGREEMENTS = {
    "first_and_true": (("reward", FIRST), ("reward", TRUTH)),
    "second_and_true": (("reward", SECOND), ("reward", TRUTH)),
    "first_and_second": (("reward", FIRST), ("reward", SECOND)),
    "first_and_satisfaction": (("reward", FIRST), ("satisfaction", TRUTH)),
    "true_and_satisfaction": (("reward", TRUTH), ("satisfaction", TRUTH)),
    "sessions_first_and_true": (("sessions", FIRST), ("sessions", TRUTH)),
}
"""Which judges are compared: what each measures, and where."""


class Responses(NamedTuple):
    """A response model, as a world is made of it.

    Attributes:
        params: its parameters.
        returns: within which its hazards of coming back are held.
        model: its size.
    """

    params: Any
    returns: Range
    model: ResponseConfig


class Followed(NamedTuple):
    """What became of listeners.

    Attributes:
        reward: of each over the weeks.
        sessions: that ended.
        satisfaction: in weeks; hidden, and so NaN in a learned world.
    """

    reward: np.ndarray
    sessions: np.ndarray
    satisfaction: np.ndarray


Found = Mapping[str, Mapping[str, Followed]]
"""By the policy's name and that of `WORLDS`."""


def responses(learnt: Learnt, windows: ResponseWindows, items: KnownItems) -> Responses:
    """What was learnt from these windows, ready to stand in for listeners."""
    return Responses(learnt.params, range_of_returns(learnt.params, windows, items, learnt.model), learnt.model)


def train_and_follow(
    logged: Logged, learnt: Sequence[Responses], settings: Settings, folder: Path, console: Console
) -> dict[str, dict[str, Followed]]:
    """Train agents in the first learned world; follow them and `rivals` in it, in the second, and in the true one.

    Listeners are the same everywhere: those of the new listeners' log, from whom neither world was learnt.

    Args:
        logged: the logs.
        learnt: the response models of two disjoint logs.
        settings: the run's.
        folder: where snapshots of agents go.
        console: where progress is shown.
    """
    known = jax.tree.map(lambda x: x[: settings.followed], logged.tests[NEW_LISTENERS].log)
    number_U = np.arange(len(known.listener), dtype=np.int32)
    places: dict[str, tuple[AnyWorld, np.ndarray, Environment]] = {TRUTH: (logged.world, known.listener, TRUE)}
    for name, one in zip((FIRST, SECOND), learnt, strict=True):
        places[name] = learned_world(logged.world, known, *one), number_U, LEARNED

    training = learned_world(logged.world, logged.train.log, *learnt[0])
    judged: dict[str, tuple[Act, Any]] = {
        name: (softmax_policies.act, policy) for name, policy in rivals(logged.seed, logged.world).items()
    }
    judged |= _trained(training, logged.seed, settings, folder, console)

    def followed(name: str, act: Act, learnt: Any) -> dict[str, Followed]:
        with console.status(f"following {name}"):
            return {
                place: _followed(
                    follow(
                        stream(logged.seed, f"learned.{place}"),
                        world,
                        settings.params,
                        act,
                        learnt,
                        listeners,
                        environment=environment,
                    ),
                    lambda episodes: outcome(episodes, logged.world, settings.params).total_satisfaction,
                    is_true=environment is TRUE,
                )
                for place, (world, listeners, environment) in places.items()
            }

    return {name: followed(name, *one) for name, one in judged.items()}


def _trained(
    world: LearnedWorld, seed: int, settings: Settings, folder: Path, console: Console
) -> dict[str, tuple[Act, Any]]:
    """The agents, as they are followed: each its policy, and what it has learnt."""
    look, acts = _looks_and_acts(settings.myopic.network, settings.base_weight)
    gym = Gym([stream(seed, "learned.agents")], [world], settings.params, folder, console, LEARNED)
    ups = dataclasses.replace(settings.params, reward_minutes=0.0, reward_up=1.0, reward_return=0.0)
    at_once = dataclasses.replace(gym, params=ups)
    (base,) = at_once.train("myopic", dqn.update, OBSERVED, [()], settings.myopic)
    (far,) = gym.train("ppo", ppo.update, look, [base], settings.ppo)
    return dict(zip(AGENTS, zip(acts, (base, far), strict=True), strict=True))


@functools.cache
def _looks_and_acts(network: CandidateScorerConfig, base_weight: float) -> tuple[Look, tuple[Act, Act]]:
    """Made once, so that what is compiled for one world serves all."""
    look = on_top_of(OBSERVED, network, base_weight)
    return look, (policies.best(policies.scorer(OBSERVED, network)), policies.best(policies.scorer(look, network)))


def _followed(episodes: Episodes, satisfaction: Callable[[Episodes], np.ndarray], *, is_true: bool) -> Followed:
    reward_U = np.where(episodes.is_there, episodes.reward, 0.0).sum(0)
    sessions_U = (episodes.is_there & episodes.info.session_over).sum(0)
    hidden_U = satisfaction(episodes) if is_true else np.full(len(reward_U), np.nan)
    return Followed(reward_U, sessions_U.astype(np.float64), hidden_U)


def values(found: Sequence[Found], measure: str, place: str) -> np.ndarray:
    """The mean over listeners of a measure in each world, and of each policy: S x A."""
    return np.array([[getattr(of[place], measure).mean() for of in one.values()] for one in found])


def agreements(found: Sequence[Found], seed: int) -> dict[str, Agreement]:
    """How far each two judges of `AGREEMENTS` agree on the order of policies.

    Args:
        found: of each world.
        seed: names the random stream of the intervals.
    """
    return {
        name: agreement(values(found, *one), values(found, *other), numpy_stream(seed, f"learned.{name}"))
        for name, (one, other) in AGREEMENTS.items()
    }


def metrics_of(found: Sequence[Found], seed: int) -> dict[str, float]:
    """What `metrics.json` says of it: each policy everywhere, agreements, and what training there gains."""
    metrics: dict[str, float] = {}

    def note(name: str, by_listener: np.ndarray) -> None:
        mean = Mean.from_batch(by_listener)
        metrics[name], metrics[f"{name}_ci95"] = mean.compute(), mean.ci95()

    def of(policy: str, measure: str, place: str) -> np.ndarray:
        return np.concatenate([getattr(one[policy][place], measure) for one in found])

    for policy in found[0]:
        note(f"learned/{policy}/satisfaction", of(policy, "satisfaction", TRUTH))
        for measure in ("reward", "sessions"):
            for place in WORLDS:
                note(f"learned/{policy}/{measure}/{place}", of(policy, measure, place))
    for other in ("random", "myopic"):
        for measure in ("satisfaction", "reward"):
            ahead = of("ppo", measure, TRUTH) - of(other, measure, TRUTH)
            note(f"learned/ppo/{measure}_over_{other}", ahead)
    for name, one in agreements(found, seed).items():
        metrics[f"learned/agreement/{name}"] = one.correlation
        metrics[f"learned/agreement/{name}_low"], metrics[f"learned/agreement/{name}_high"] = one.low, one.high
    return metrics
