"""What looking ahead is worth, over the knobs that decide it: the agents of long-term satisfaction."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from experiments.report import charts
from experiments.report.claims.claim import BY_REPETITIONS, Claim, Numbers, Seen
from experiments.report.curves import curve, curve_table, series
from experiments.report.runs import Run
from experiments.tables import LONG_TERM, PPO

_AGENTS = tuple(metric for metric in LONG_TERM if metric.startswith("total_satisfaction/"))


def _measure(knob: str, runs: Sequence[Run]) -> Numbers | None:
    return curve(runs, knob, LONG_TERM) or None


def _tell(title: str, seen: Seen) -> str:
    return f"{curve_table(seen, title)}\n\n{BY_REPETITIONS}."


def _draw(title: str, seen: Seen, path: Path) -> None:
    # Worlds of satisfaction are simulated, so that there is one data set, and its agents are the curves.
    by_agent = {
        metric.removeprefix("total_satisfaction/"): points
        for metric in _AGENTS
        for points in list(series(seen, metric).values())[:1]
    }
    charts.curves(by_agent, title, "satisfied weeks", path)


def _claim(name: str, knob: str, title: str, said: str) -> Claim:
    tell, draw = partial(_tell, title), partial(_draw, title)
    return Claim(name, f"Satisfaction over {title}", said, partial(_measure, knob), tell, draw, runs_with=PPO)


LOOKING_AHEAD = (
    _claim(
        "horizon",
        "learn.ppo.horizon_days",
        "the days that an agent looks ahead",
        "reinforcement learning isn't about short term solutions; it responds to the ultimate, long-term reward.",
    ),
    _claim(
        "memory",
        "satisfaction.memory",
        "the share of exposure that outlasts an item",
        "a fulfilling diet makes listeners happier with the service, where empty calories satisfy in a moment.",
    ),
    _claim(
        "satiation",
        "satisfaction.satiation",
        "the utility that a style loses when nothing else is heard",
        "a more varied diet lasts.",
    ),
    _claim(
        "empty",
        "catalogue.empty",
        "the share of items that don't nourish",
        "listeners are pushed from empty calories to a more fulfilling diet.",
    ),
)
"""The paper is "How Spotify uses ML to create the future of personalization" (Spotify Engineering, 2021), in our words;
it publishes no numbers."""
