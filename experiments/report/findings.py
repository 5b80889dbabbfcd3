"""What a report tells, data set by data set, as plain JSON values: measured on runs, or read from earlier reports."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.report.claims import CLAIMS
from experiments.report.rows import differences, rows_of
from experiments.report.runs import Run
from experiments.tables import COMPARED_BY

FORMAT = 1
"""Of `report.json`."""

Finding = Mapping[str, Any]
"""What was seen on one data set:

| key | holds |
|---|---|
| `metric` | by which rows are compared |
| `rows` | each row's runs: which `repeat` (seed, world), and its `metrics` |
| `differences` | of rows: see `Difference` |
| `claims` | each claim's numbers: see `Claim.measure` |
"""


def measured(runs: Sequence[Run], against: str | None = None) -> Finding:
    """What the runs of one data set show.

    Args:
        runs: of one data set.
        against: name of the row that all others are compared with; None compares each two, unless they are many.

    Raises:
        ValueError: if no row has this name, or two runs repeat each other and don't agree.
    """
    rows = rows_of(runs)
    metric = next(metric for metric in COMPARED_BY if rows[0].values(metric))
    about = {claim: [run for run in runs if claim.runs_with in run.metrics] for claim in CLAIMS}
    claims = {claim.name: claim.measure(of_it) for claim, of_it in about.items() if of_it}
    return {
        "metric": metric,
        "rows": {
            row.name: [{"repeat": list(repeat), "metrics": dict(found)} for repeat, found in row.metrics.items()]
            for row in rows
        },
        "differences": [each._asdict() for each in differences(rows, metric, against)],
        "claims": {name: found for name, found in claims.items() if found is not None},
    }


def written(findings: Mapping[str, Finding]) -> str:
    """What `report.json` holds."""
    return json.dumps({"format": FORMAT, "data": findings}, indent=1, allow_nan=False) + "\n"


def read(path: Path) -> dict[str, Finding]:
    """The findings that an earlier report wrote.

    Raises:
        ValueError: if the file is none of a report's, or of another format.
    """
    try:
        told = json.loads(path.read_text())
        found, data = told["format"], told["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no report.json that this command wrote ({error!r})") from error
    if found != FORMAT:
        raise ValueError(f"{path} has format {found}, but this version reads {FORMAT}; make it anew from the runs")
    return dict(data)
