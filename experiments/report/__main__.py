"""`python -m experiments.report FOLDER...`: every run below the folders, side by side.

Runs that differ in nothing but their seed (or simulated world) are one row, with a 95 % interval by seeds. Where two
rows have seeds in common, their difference is taken seed by seed, and user by user. Where runs are a sweep over a knob
of the paper, its figure or table is made from them, data sets side by side. The `report.json` of an earlier report
stands for the runs that it was made from, wherever they are now.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from experiments.figures import compared
from experiments.folder import write_whole
from experiments.report.claims import CLAIMS
from experiments.report.claims.claim import Claim, Seen
from experiments.report.findings import Finding, measured, read, written
from experiments.report.intervals import estimate
from experiments.report.rows import Difference, difference_table, table_of
from experiments.report.runs import by_data, read_runs
from experiments.tables import TITLES, markdown_table


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and write them with `--out`."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "places", nargs="+", type=Path, metavar="FOLDER", help="run folders, folders of them, or a report.json"
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for report.md, report.json and the figures")
    parser.add_argument(
        "--against", metavar="ROW", help="the row that all others are compared with, by the name that the table has"
    )
    parser.add_argument("--svg", action="store_true", help="draw SVG files, not PNG")
    given = parser.parse_args(arguments)
    try:
        findings = find(given.places, given.against)
    except (ValueError, FileNotFoundError) as error:
        parser.exit(1, f"error: {error}\n")
    sides = (_side_by_side(name, finding) for name, finding in findings.items())
    text = "\n\n".join([*sides, *(_section(claim, seen) for claim, seen in _told(findings))])
    console = Console()
    # A pipe or a file has no width of its own: tables keep theirs.
    Console(width=console.width if console.is_terminal else max(map(len, text.splitlines()))).print(Markdown(text))
    if given.out is not None:
        _write(given.out, text + "\n", findings, "svg" if given.svg else "png")


def find(places: Sequence[Path], against: str | None = None) -> dict[str, Finding]:
    """What is found at each place, by data set.

    Args:
        places: folders of runs, and files of earlier reports.
        against: see `measured`; it is for the runs, as an earlier report has compared already.

    Raises:
        ValueError: if nothing is there, two places tell of one data set, or what is there doesn't go together.
    """
    reports = [place for place in places if place.suffix == ".json"]
    folders = [place for place in places if place not in reports]
    findings: dict[str, Finding] = {}
    for path in reports:
        for name, finding in read(path).items():
            if name in findings:
                raise ValueError(f"{path} tells of {name}, and so does another report; name only one")
            findings[name] = finding
    for name, runs in by_data(read_runs(folders)).items() if folders else ():
        if name in findings:
            raise ValueError(
                f"there are runs on {name} in {runs[0].folder}, and a report tells of others; leave out one of them"
            )
        findings[name] = measured(runs, against)
    return findings


def _told(findings: Mapping[str, Finding]) -> list[tuple[Claim, Seen]]:
    """The claims of which something was seen, each with that."""
    seen = {
        claim: {name: f["claims"][claim.name] for name, f in findings.items() if claim.name in f["claims"]}
        for claim in CLAIMS
    }
    return [(claim, found) for claim, found in seen.items() if found]


def _side_by_side(name: str, finding: Finding) -> str:
    rows = {row: [run["metrics"] for run in runs] for row, runs in finding["rows"].items()}
    found = [Difference(**each) for each in finding["differences"]]
    tables = [table_of(rows), *([difference_table(found, finding["metric"])] if found else [])]
    by = "by runs: seeds, worlds, or moments; by users: each user's mean difference over the runs"
    note = f"± is half a 95 % interval, {by}."
    return "\n\n".join([f"## {name}", *map(markdown_table, tables), note])


def _section(claim: Claim, seen: Seen) -> str:
    return f"## {claim.title}\n\n*The paper:* {claim.paper}\n\n{claim.tell(seen)}"


def _write(folder: Path, text: str, findings: Mapping[str, Finding], kind: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, finding in findings.items():
        metric = finding["metric"]
        values = {row: estimate([run["metrics"][metric] for run in runs])[:2] for row, runs in finding["rows"].items()}
        if len(values) > 1:
            compared(values, f"test {TITLES[metric]}", folder / f"{name}.{kind}")
            text = _with_figure(text, name, f"{name}.{kind}")
    for claim, seen in _told(findings):
        if claim.draw is not None:
            claim.draw(seen, path := folder / f"{claim.name}.{kind}")
            # What has nothing to compare draws nothing.
            text = _with_figure(text, claim.title, path.name) if path.exists() else text
    write_whole(folder / "report.json", written(findings))
    write_whole(folder / "report.md", text)


def _with_figure(text: str, title: str, file: str) -> str:
    """A report with a figure below one of its headings."""
    return text.replace(f"## {title}\n", f"## {title}\n\n![{title}]({file})\n", 1)


if __name__ == "__main__":
    main()
