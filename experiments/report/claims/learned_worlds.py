"""Whether worlds that were learnt from logs tell which policies are good, beside the true world and each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.report import charts
from experiments.report.claims.claim import Claim, Numbers, Seen
from experiments.report.runs import Run
from experiments.satisfaction_from_logs import rows
from experiments.satisfaction_from_logs.learned import FIRST, SECOND, TRUTH
from experiments.tables import AGREEMENT, markdown_table


def _measure(runs: Sequence[Run]) -> Numbers | None:
    """Of the run with most worlds."""
    return {"metrics": max(runs, key=lambda run: int(run.config.get("worlds", 1))).metrics}


def _tell(seen: Seen) -> str:
    parts = []
    for name, one in seen.items():
        metrics = one["metrics"]
        parts += [f"### {name}", markdown_table(rows.agreements(metrics)), markdown_table(rows.policies(metrics))]
    return "\n\n".join(
        [
            *parts,
            "Spearman's rank correlation of policies' means, with its 95 % interval by policies; and the means. No "
            "policy was logged; *first* and *second* were learnt from listeners of whom none is the other's.",
        ]
    )


def _draw(seen: Seen, path: Path) -> None:
    panels: dict[str, tuple[str, str, Mapping[str, tuple[float, float]]]] = {}
    for name, one in seen.items():
        metrics = one["metrics"]
        policies = rows.names(metrics)
        is_simulated = f"learned/{policies[0]}/reward/{TRUTH}" in metrics
        across, up = (TRUTH, FIRST) if is_simulated else (FIRST, SECOND)
        panels[name] = (
            f"reward in the {across} {'world' if is_simulated else 'learned world'}",
            f"reward in the {up} learned world",
            {of: (metrics[f"learned/{of}/reward/{across}"], metrics[f"learned/{of}/reward/{up}"]) for of in policies},
        )
    charts.named_points(panels, path)


LEARNED_WORLDS = Claim(
    "learned_worlds",
    "Policies in worlds that were learnt from logs",
    "an agent can be trained, and judged, in simulations of what listeners will do.",
    _measure,
    _tell,
    _draw,
    runs_with=AGREEMENT,
)
"""Source: "How Spotify uses ML to create the future of personalization" (Spotify Engineering, 2021), in our words."""
