"""`python -m experiments.report FOLDER...`: every run below the folders, side by side.

Runs that differ in nothing but their seed (or simulated world) are one row, with a 95 % interval by seeds. Where two
rows have seeds in common, their difference is taken seed by seed, and user by user. Where runs are a sweep over a knob
of the paper, its figure or table is made from them, data sets side by side.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from experiments.figures import compared
from experiments.folder import write_whole
from experiments.report.claims import CLAIMS, Claim
from experiments.report.intervals import estimate
from experiments.report.rows import Row, differences, rows_of, table_of
from experiments.report.runs import by_data, read_runs
from experiments.tables import COMPARED_BY, TITLES, markdown_table


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and write them with `--out`."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders of them")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for report.md, report.json and the figures")
    parser.add_argument(
        "--against", metavar="ROW", help="the row that all others are compared with, by the name that the table has"
    )
    parser.add_argument("--svg", action="store_true", help="draw SVG files, not PNG")
    given = parser.parse_args(arguments)
    try:
        runs = by_data(read_runs(given.folders))
        rows = {name: rows_of(own) for name, own in runs.items()}
        tables = [_side_by_side(name, own, given.against) for name, own in rows.items()]
    except (ValueError, FileNotFoundError) as error:
        parser.exit(1, f"error: {error}\n")
    # The paper's claims are about pairs.
    of_pairs = {name: [run for run in own if "pair_accuracy" in run.metrics] for name, own in runs.items()}
    of_pairs = {name: own for name, own in of_pairs.items() if own}
    claims = [claim for claim in (make(of_pairs) for make in CLAIMS if of_pairs) if claim is not None]
    text = "\n\n".join([*tables, *(_section(claim) for claim in claims)]) + "\n"
    console = Console()
    # A pipe or a file has no width of its own: tables keep theirs.
    Console(width=console.width if console.is_terminal else max(map(len, text.splitlines()))).print(Markdown(text))
    if given.out is not None:
        _write(given.out, text, rows, claims, "svg" if given.svg else "png")


def _side_by_side(name: str, rows: Sequence[Row], against: str | None) -> str:
    tables = (table_of(rows), differences(rows, _compared_by(rows), against))
    told = [markdown_table(table) for table in tables if len(table) > 1]
    note = "± is half a 95 % interval, by runs: seeds, or worlds; by users: each user's mean difference over the runs."
    return "\n\n".join([f"## {name}", *told, note])


def _compared_by(rows: Sequence[Row]) -> str:
    return next(metric for metric in COMPARED_BY if rows[0].values(metric))


def _section(claim: Claim) -> str:
    return f"## {claim.title}\n\n*The paper:* {claim.paper}\n\n{claim.text}"


def _write(folder: Path, text: str, rows: dict[str, list[Row]], claims: Sequence[Claim], kind: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, own in rows.items():
        metric = _compared_by(own)
        values = {row.name: estimate(list(row.values(metric).values()))[:2] for row in own}
        compared(values, TITLES[metric], folder / f"{name}.{kind}")
        text = text.replace(f"## {name}\n", f"## {name}\n\n![{name}]({name}.{kind})\n", 1)
    for claim in claims:
        if claim.draw is not None:
            claim.draw(folder / f"{claim.name}.{kind}")
            text = text.replace(
                f"## {claim.title}\n", f"## {claim.title}\n\n![{claim.title}]({claim.name}.{kind})\n", 1
            )
    told = {claim.name: {"title": claim.title, "paper": claim.paper, "data": claim.data} for claim in claims}
    side_by_side = {
        name: {row.name: [{"repeat": list(repeat), **found} for repeat, found in row.metrics.items()] for row in own}
        for name, own in rows.items()
    }
    write_whole(
        folder / "report.json", json.dumps({"claims": told, "runs": side_by_side}, indent=1, allow_nan=False) + "\n"
    )
    write_whole(folder / "report.md", text)


if __name__ == "__main__":
    main()
