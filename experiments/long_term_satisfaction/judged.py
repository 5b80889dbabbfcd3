"""What became of listeners with each agent, by world, and what `metrics.json` says of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats

from experiments.long_term_satisfaction.agents import Agent
from experiments.long_term_satisfaction.settings import Settings
from urep_jax.core.streams import stream
from urep_jax.evaluation.long_term import Outcome, follow, outcome
from urep_jax.simulation.satisfaction.world import World

MEASURES = (
    *("total_satisfaction", "return_rate", "stays", "reward", "minutes", "nourishing", "styles", "tail", "shows"),
    *("new_artists", "small_artists"),
)
"""The measures of `Outcome` that a listener has one of."""


class Judged(NamedTuple):
    """What became of listeners with one agent.

    Attributes:
        outcomes: of each world.
        which: which of several candidates for the agent it is, by its number.
    """

    outcomes: tuple[Outcome, ...]
    which: int

    def by_world(self, measure: str) -> np.ndarray:
        """The mean of a measure in each world."""
        return np.array([np.nanmean(getattr(one, measure)) for one in self.outcomes])

    def by_week(self, measure: str) -> np.ndarray:
        """The mean of a measure in each world and week, S x W."""
        return np.stack([getattr(one, measure).mean(0) for one in self.outcomes])


def judge(
    agents: Mapping[str, Sequence[Agent]], worlds: World, settings: Settings, console: Console
) -> dict[str, Judged]:
    """Follow the same listeners, with the same draws, with every agent.

    Of several candidates for an agent the one counts that satisfies most over all worlds.

    Args:
        agents: by name.
        worlds: with a leading axis.
        settings: the run's.
        console: where progress is shown.
    """
    listeners = np.arange(settings.listeners, dtype=np.int32)
    found = {}
    for name, candidates in agents.items():
        tried = []
        for which, agent in enumerate(candidates):
            outcomes = []
            for number, seed in enumerate(track(settings.seeds, f"judging {name}", console=console, transient=True)):
                world = jax.tree.map(lambda x, number=number: x[number], worlds)
                key = stream(seed, "judge")
                episodes = follow(key, world, settings.params, agent.act, agent.learnt(number), listeners)
                outcomes.append(outcome(episodes, world, settings.params))
            tried.append(Judged(tuple(outcomes), which))
        found[name] = max(tried, key=lambda one: one.by_world("total_satisfaction").mean())
    return found


def half_interval(by_world: np.ndarray) -> float:
    """Half a 95 % interval of a mean over worlds, by Student's t; NaN for one world."""
    count = len(by_world)
    if count < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, count - 1) * by_world.std(ddof=1) / count**0.5)


def metrics_of(judged: Mapping[str, Judged]) -> dict[str, float]:
    """What `metrics.json` holds: each measure of each agent, and how far the agents are ahead of `myopic`."""
    metrics = {}

    def note(name: str, by_world: np.ndarray) -> None:
        metrics[name] = float(by_world.mean())
        if len(by_world) > 1:
            metrics[f"{name}_ci95"] = half_interval(by_world)

    for measure in MEASURES:
        for agent, one in judged.items():
            note(f"{measure}/{agent}", one.by_world(measure))
    if "myopic" in judged:
        myopic = judged["myopic"].by_world("total_satisfaction")
        for agent, one in judged.items():
            if agent != "myopic":
                note(f"over_myopic/{agent}", one.by_world("total_satisfaction") - myopic)
        if "oracle" in judged:
            margin = (judged["oracle"].by_world("total_satisfaction") - myopic).mean()
            for agent in set(judged) & {"dqn", "ppo"}:
                metrics[f"share_of_margin/{agent}"] = metrics[f"over_myopic/{agent}"] / float(margin)
    return metrics
