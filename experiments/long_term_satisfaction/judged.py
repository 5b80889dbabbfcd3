"""What became of listeners with each agent, by world, and what `metrics.json` says of it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console
from scipy import stats

from experiments.long_term_satisfaction.agents import Agent
from experiments.long_term_satisfaction.settings import Settings
from experiments.long_term_satisfaction.side_by_side import side_by_side
from experiments.long_term_satisfaction.worlds import Place, Worlds
from experiments.progress import WorkBar
from urep_jax.core.streams import stream
from urep_jax.evaluation.long_term import Outcome, follow, kinds_of_listeners, outcome
from urep_jax.simulation.satisfaction.mechanisms import INTENTS

MEASURES = (
    *("total_satisfaction", "return_rate", "stays", "reward", "minutes", "nourishing", "styles", "tail", "shows"),
    *("new_artists", "small_artists"),
)
"""The measures of `Outcome` that a listener has one of."""


class Judged(NamedTuple):
    """What became of listeners with one agent.

    Attributes:
        outcomes: of each world.
        kinds: who of its listeners is of each kind, by name.
        which: which of several candidates for the agent it is, by its number.
    """

    outcomes: tuple[Outcome, ...]
    kinds: tuple[dict[str, np.ndarray], ...]
    which: int

    def by_world(self, measure: str) -> np.ndarray:
        """The mean of a measure in each world."""
        return np.array([np.nanmean(getattr(one, measure)) for one in self.outcomes])

    def by_week(self, measure: str) -> np.ndarray:
        """The mean of a measure in each world and week, S x W."""
        return np.stack([getattr(one, measure).mean(0) for one in self.outcomes])

    def by_kind(self) -> dict[str, np.ndarray]:
        """Total satisfaction of each kind of listeners, in each world in which there are some."""
        found: dict[str, list[float]] = {}
        for one, kinds in zip(self.outcomes, self.kinds, strict=True):
            for kind, is_of in kinds.items():
                if is_of.any():
                    found.setdefault(kind, []).append(float(one.total_satisfaction[is_of].mean()))
        return {kind: np.array(by_world) for kind, by_world in found.items()}

    def by_intent(self) -> dict[str, np.ndarray]:
        """Share of items that were left early in sessions for each intent, in each world."""
        by_SxI = np.stack([np.nanmean(one.left_early, axis=0) for one in self.outcomes])
        return dict(zip(INTENTS, by_SxI.T, strict=True))


ALSO_NEW = ("myopic", "dqn", "ppo", "oracle")
"""Agents that are judged with what is new as well: what they have learnt might not hold there."""


def judge(
    agents: Mapping[str, Sequence[Agent]], worlds: Worlds, settings: Settings, console: Console
) -> dict[str, dict[str, Judged]]:
    """Follow the same listeners, with the same draws, with every agent.

    Of several candidates for an agent the one counts that satisfies most over all worlds.

    Args:
        agents: by name.
        worlds: of the run.
        settings: the run's.
        console: where progress is shown.

    Returns:
        What became of them, by the name of the circumstances and that of the agent.
    """
    known = worlds.judging["known"]
    others = {name: places for name, places in worlds.judging.items() if name != "known"}
    walks = sum(
        len(known) * (len(candidates) + len(others) * (name in ALSO_NEW)) for name, candidates in agents.items()
    )
    bar = WorkBar(console, f"judging with {settings.listeners} listeners", walks)

    def followed(which: int, agent: Agent, places: Sequence[Place]) -> Judged:
        outcomes, kinds = [], []
        for seed, number, place in zip(settings.seeds, range(len(places)), places, strict=True):
            key, learnt = stream(seed, "judge"), agent.learnt(number)
            episodes = follow(key, place.world, settings.params, agent.act, learnt, place.listeners)
            outcomes.append(outcome(episodes, place.world, settings.params))
            all_of = kinds_of_listeners(place.world.listeners)
            kinds.append({kind: of[place.listeners] for kind, of in all_of.items()})
            bar.advance()
        return Judged(tuple(outcomes), tuple(kinds), which)

    def everywhere(name: str) -> dict[str, Judged]:
        tried = [followed(which, agent, known) for which, agent in enumerate(agents[name])]
        best = max(tried, key=lambda one: one.by_world("total_satisfaction").mean())
        new = others if name in ALSO_NEW else {}
        return {"known": best} | {to: followed(best.which, agents[name][best.which], new[to]) for to in new}

    # The longest first, so that nothing waits for it at the end.
    names = sorted(agents, key=lambda name: -len(agents[name]))
    with bar:
        of_agents = dict(zip(names, side_by_side(everywhere, names), strict=True))
    return {
        circumstances: {name: of_agents[name][circumstances] for name in agents if circumstances in of_agents[name]}
        for circumstances in worlds.judging
    }


def half_interval(by_world: np.ndarray) -> float:
    """Half a 95 % interval of a mean over worlds, by Student's t; NaN for one world."""
    count = len(by_world)
    if count < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, count - 1) * by_world.std(ddof=1) / count**0.5)


def metrics_of(judged: Mapping[str, Mapping[str, Judged]]) -> dict[str, float]:
    """What `metrics.json` holds: each measure of each agent, and how far the agents are ahead of `myopic`.

    What is of other circumstances than `known` has their name before its own.
    """
    metrics = {}

    def note(name: str, by_world: np.ndarray) -> None:
        metrics[name] = float(by_world.mean())
        if len(by_world) > 1:
            metrics[f"{name}_ci95"] = half_interval(by_world)

    for circumstances, of_agents in judged.items():
        before = "" if circumstances == "known" else f"{circumstances}/"
        for measure in MEASURES if circumstances == "known" else MEASURES[:1]:
            for agent, one in of_agents.items():
                note(f"{before}{measure}/{agent}", one.by_world(measure))
        if circumstances == "known":
            for agent, one in of_agents.items():
                for kind, by_world in one.by_kind().items():
                    note(f"by_kind/{kind}/{agent}", by_world)
                for intent, by_world in one.by_intent().items():
                    note(f"left_early/{intent}/{agent}", by_world)
        if "myopic" not in of_agents:
            continue
        ahead = {
            agent: one.by_world("total_satisfaction") - of_agents["myopic"].by_world("total_satisfaction")
            for agent, one in of_agents.items()
            if agent != "myopic"
        }
        for agent, by_world in ahead.items():
            note(f"{before}over_myopic/{agent}", by_world)
        for agent in set(ahead) & {"dqn", "ppo"}:
            if "oracle" in ahead:
                metrics[f"{before}share_of_margin/{agent}"] = float(ahead[agent].mean() / ahead["oracle"].mean())
    return metrics
