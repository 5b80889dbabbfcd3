"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig
from rich.table import Table

from experiments.tables import markdown_table, short, simple_table

LASTING = {
    "total_satisfaction": ("satisfied weeks", 2),
    "over_myopic": ("over myopic", 2),
    "return_rate": ("back in 2 days", 2),
    "stays": ("stay", 2),
    "reward": ("reward", 0),
}
DIET = {
    "nourishing": ("nourishing", 2),
    "styles": ("styles", 1),
    "tail": ("tail", 2),
    "shows": ("shows", 2),
    "new_artists": ("new artists", 1),
    "small_artists": ("small ones", 2),
}
"""What a person is told of each measure, and the digits that it is told with."""


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal: what lasts, and the diet."""
    caption = f"of {cfg.satisfaction.weeks:g} weeks; ± is half a 95 % interval, by {cfg.worlds} worlds"
    if cfg.worlds == 1:
        caption = f"of {cfg.satisfaction.weeks:g} weeks, in one world"
    tables = [
        simple_table(rows_of(cfg.agents, metrics, LASTING), "long-term satisfaction", caption),
        simple_table(
            rows_of(cfg.agents, metrics, DIET), "diet and discovery", "of minutes; tail and small artists of plays"
        ),
    ]
    if len(new := new_rows(metrics)) > 1:
        tables.append(simple_table(new, "what is new to the agents: satisfaction, weeks", caption))
    return tables


def page(cfg: DictConfig, metrics: Mapping[str, float]) -> str:
    """`report.md`: what was done, and what came out."""
    control = (
        ""
        if cfg.long_term
        else "\nA control: items don't nourish, and nobody tires of styles or repeats. What pleases at once is all\n"
        "that satisfies, so that an agent that looks ahead gains nothing.\n"
    )
    return f"""# Long-term satisfaction

{cfg.worlds} simulated world{"s" * (cfg.worlds != 1)}; agents are trained in each, and {cfg.judge.listeners} listeners
followed with each agent for {cfg.satisfaction.weeks:g} weeks.
{control}
{markdown_table(rows_of(cfg.agents, metrics, LASTING))}

{margins(cfg.agents, metrics)}

![satisfaction by week](figures/satisfaction.png)

![what wins at first, and what wins later](figures/ups.png)

## What is new to the agents

{markdown_table(new_rows(metrics))}

## Diet and discovery

{markdown_table(rows_of(cfg.agents, metrics, DIET))}

## By kind of listener

Satisfied weeks of {cfg.satisfaction.weeks:g}; of the other traits, a half of the listeners is above the median.

{markdown_table(_by(cfg, metrics, "by_kind", 2))}

## By what a session is for

Share of items that are left early. No agent but the oracle knows what a session is for; the hour and the device tell
something of it.

{markdown_table(_by(cfg, metrics, "left_early", 3))}

## How to read it

Satisfaction is hidden from agents, other than the oracle, and is what they are judged by: the integral over the weeks
of a listener's satisfaction, 0 to 1, so that a listener who is satisfied throughout has {cfg.satisfaction.weeks:g}; 0
from the moment that somebody leaves for good. Back in 2 days is the share of sessions that another follows within two
days; stay, the share of listeners who haven't left for good. The reward is what agents are told of. Nourishing and
shows are shares of the minutes that are heard; styles, the effective number of them; tail, the share of plays of the
80 % least popular items; new artists, how many a listener meets in 30 days; small ones, the share of plays of the less
popular half of the artists. New listeners are others than those with whom agents trained; with new items,
{cfg.judge.new_items:.0%} of the catalogue is new to them. ± is half a 95 % interval by worlds.
"""


def margins(agents: Sequence[str], metrics: Mapping[str, float]) -> str:
    """Which share of the oracle's margin over the myopic agent others reach, a line for each."""
    return "\n".join(
        f"- {agent} reaches {metrics[f'share_of_margin/{agent}']:.0%} of the oracle's margin over myopic."
        for agent in agents
        if f"share_of_margin/{agent}" in metrics
    )


NEW = {
    "new_listeners": "new listeners",
    "new_items": "new items",
}
"""What a person is told of circumstances that agents haven't trained in."""


def new_rows(metrics: Mapping[str, float]) -> list[list[str]]:
    """Satisfaction with what is new to the agents."""
    there = [name for name in NEW if any(key.startswith(f"{name}/") for key in metrics)]
    rows = [["", *(title for name in there for title in (NEW[name], "over myopic"))]]
    for agent in ("myopic", "dqn", "ppo", "oracle"):
        if any(f"{name}/total_satisfaction/{agent}" in metrics for name in there):
            measures = [
                f"{name}/{measure}/{agent}" for name in there for measure in ("total_satisfaction", "over_myopic")
            ]
            rows.append([agent, *(_cell(metrics, measure, 2) for measure in measures)])
    return rows


def _by(cfg: DictConfig, metrics: Mapping[str, float], measure: str, digits: int) -> list[list[str]]:
    """Agents by the parts of a measure, `measure/part/agent`."""
    names = [key.split("/") for key in metrics if key.startswith(f"{measure}/") and not key.endswith("_ci95")]
    parts = list(dict.fromkeys(part for _, part, _ in names))
    rows = [[agent, *(_cell(metrics, f"{measure}/{part}/{agent}", digits) for part in parts)] for agent in cfg.agents]
    return [["", *parts], *rows]


def rows_of(
    agents: Sequence[str], metrics: Mapping[str, float], measures: Mapping[str, tuple[str, int]]
) -> list[list[str]]:
    """Some measures of agents, a row for each.

    Args:
        agents: by name.
        metrics: of a run.
        measures: what each is told as, and its digits.
    """
    return [
        ["", *(title for title, _ in measures.values())],
        *([agent, *(_cell(metrics, f"{name}/{agent}", d) for name, (_, d) in measures.items())] for agent in agents),
    ]


def _cell(metrics: Mapping[str, float], name: str, digits: int) -> str:
    if name not in metrics:
        return "–"
    told, half = short(metrics[name], digits), metrics.get(f"{name}_ci95")
    return told if half is None else f"{told} ±{short(half, digits)}"
