"""What becomes of listeners over the weeks with each agent: the worlds that all are compared in, and a control."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments import figures
from experiments.long_term_satisfaction.page import DIET, LASTING, margins, new_rows, rows_of
from experiments.report.claims.claim import Claim, Numbers, Seen
from experiments.report.runs import Run
from experiments.tables import PPO, markdown_table

_WITH, _WITHOUT = "long term", "control"


def _measure(runs: Sequence[Run]) -> Numbers | None:
    """Of the runs with most worlds, one of either kind."""
    found: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: int(run.config.get("worlds", 1))):
        if int(run.config.get("worlds", 1)) > 1:
            found[_WITH if run.config["long_term"] else _WITHOUT] = run
    if _WITH not in found:
        return None
    return {
        name: {
            "worlds": int(run.config.get("worlds", 1)),
            "metrics": run.metrics,
            "weeks": _weeks(run),
        }
        for name, run in found.items()
    }


def _weeks(run: Run) -> Mapping[str, list[list[float]]]:
    """Means and halves of intervals, by agent."""
    weeks: dict[str, list[list[float]]] = {}
    with (run.folder / "figures" / "satisfaction.csv").open() as file:
        for row in csv.DictReader(file):
            means, halves = weeks.setdefault(row["agent"], [[], []])
            means.append(float(row["mean"]))
            halves.append(float(row["half interval"]))
    return weeks


def _tell(seen: Seen) -> str:
    (one,) = seen.values()
    parts = []
    for name, title in ((_WITH, "worlds"), (_WITHOUT, "worlds in which what pleases at once is all that satisfies")):
        if name not in one:
            continue
        of = one[name]
        agents, metrics = list(of["weeks"]), of["metrics"]
        parts += [f"### {of['worlds']} {title}", markdown_table(rows_of(agents, metrics, LASTING))]
        # Where nothing is to be gained, a share of it tells nothing.
        if name == _WITH:
            parts.append(margins(agents, metrics))
        parts.append(markdown_table(new_rows(metrics)))
        if name == _WITH:
            parts.append(markdown_table(rows_of(agents, metrics, DIET)))
    return "\n\n".join([*parts, "± is half a 95 % interval, by worlds."])


def _draw(seen: Seen, path: Path) -> None:
    (one,) = seen.values()
    curves = {agent: (means, halves) for agent, (means, halves) in one[_WITH]["weeks"].items()}
    figures.over_weeks(curves, "satisfaction of a listener", path)


WEEKS = Claim(
    "weeks",
    "Satisfaction over the weeks",
    "an agent that responds to long-term reward makes listeners happier than one that wins the next click.",
    _measure,
    _tell,
    _draw,
    runs_with=PPO,
)
"""Source: "How Spotify uses ML to create the future of personalization" (Spotify Engineering, 2021), in our words; it
publishes no numbers."""
