"""NDCG@10 of trained models on the published leave-one-out lists: `python -m benchmarks.leave_one_out PATH FOLDER...`.

PATH is the folder of the published lists, the FOLDERs hold runs with `data=movielens_1m_leave_one_out`. Each model is
asked three times: for the next item of the 512 users that the split's authors validated on, the same of all 4,550 users
whose lists are known to the end, and for the last item of these. Runs of one setting with several seeds are a row; rows
are compared with the first one user by user, each user's difference being the mean over the seeds that both have. It
prints JSON, and the table to the terminal besides. In place of a FOLDER, a file with what it printed of other runs may
be given.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

import urep_jax
from benchmarks.machine import describe
from experiments.report.intervals import Estimate, by_users, estimate
from experiments.report.rows import rows_of
from experiments.report.runs import Repeat, read_runs
from experiments.tables import markdown_table
from urep_jax.data.cases import Cases
from urep_jax.data.datasets.movielens_1m_leave_one_out import Movielens1mLeaveOneOutConfig, PublishedSplit
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare
from urep_jax.data.sequences import Sequences
from urep_jax.evaluation.model_scorer import transformer_scorer
from urep_jax.evaluation.next_item import next_item

ByQuestion = Mapping[str, Float64[np.ndarray, "U"]]
"""NDCG@10 of each user, by question; users are in the order of the published lists."""

Answers = Mapping[Repeat, ByQuestion]
"""By repetition."""

_DIGITS = 4
"""Of a user's NDCG, as it is printed."""


def ndcg(run_folder: Path, log: EventLog, asked: Mapping[str, Cases]) -> ByQuestion:
    """NDCG@10 of a run's model."""
    model = urep_jax.restore(run_folder)
    sequences = Sequences(log, model.vocabulary, model.sequences)
    scorers = {name: transformer_scorer(model.params, model.cfg, sequences, cases) for name, cases in asked.items()}
    return {name: next_item(scorer, log, asked[name])["ndcg@10"].values for name, scorer in scorers.items()}


def answers_of(printed: Mapping[str, Any]) -> dict[str, dict[Repeat, ByQuestion]]:
    """The answers that were printed, by row."""
    return {
        name: {tuple(run["repeat"]): {q: _exact(v) for q, v in run["users"].items()} for run in row["runs"]}
        for name, row in printed["leave_one_out"].items()
    }


def gain(of: Answers, over: Answers, question: str) -> Estimate | None:
    """The difference of two rows, by users; None if they have no seed in common."""
    common = sorted(of.keys() & over.keys(), key=str)
    if not common:
        return None
    return by_users(np.mean([of[seed][question] - over[seed][question] for seed in common], axis=0))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leave_one_out",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="folder of the published lists")
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, folders of them, or .json printed before"
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as workspace:
        log = prepare(Movielens1mLeaveOneOutConfig(path=given.path), workspace)
    published, extended = (PublishedSplit(given.path, which)(log) for which in ("published", "extended"))
    asked = {
        f"validation, {len(published.validation)}": published.validation,
        f"validation, {len(extended.validation):,}": extended.validation,
        f"test, {len(extended.test):,}": extended.test,
    }
    rows: dict[str, dict[Repeat, ByQuestion]] = {}
    printed = [path for path in given.folders if path.suffix == ".json"]
    for path in printed:
        for name, answers in answers_of(json.loads(path.read_text())).items():
            rows.setdefault(name, {}).update(answers)
    if folders := [path for path in given.folders if path not in printed]:
        for row in rows_of(read_runs(folders)):
            if row.model == "model":
                answers = {repeat: ndcg(run.folder, log, asked) for repeat, run in row.runs.items()}
                rows.setdefault(row.name, {}).update(answers)
    first = next(iter(rows))
    table = [["NDCG@10", "seeds", *asked, *(f"{question}: over {first}" for question in asked)]]
    numbers = {}
    for name, answers in rows.items():
        answers = dict(sorted(answers.items(), key=lambda one: str(one[0])))
        values = {question: [own[question].mean() for own in answers.values()] for question in asked}
        found = {question: one for question in asked if name != first and (one := gain(answers, rows[first], question))}
        users = [
            {"repeat": repeat, "users": {question: _short(values) for question, values in own.items()}}
            for repeat, own in answers.items()
        ]
        gains = {question: one[:2] for question, one in found.items()}
        numbers[name] = {"ndcg": values, "gains": gains, "runs": users}
        told = [estimate(own).told(4) for own in values.values()]
        told += [found[question].told(4, sign=True) if question in found else "–" for question in asked]
        table.append([name, str(len(answers)), *told])
    print(json.dumps({"machine": describe(), "leave_one_out": numbers}))
    print(markdown_table(table), file=sys.stderr)


def _short(values: Float64[np.ndarray, "U"]) -> list[float]:
    """Values as they are printed: most are 0, and say no more with a point."""
    return [round(float(value), _DIGITS) or 0 for value in values]


def _exact(printed: Sequence[float]) -> Float64[np.ndarray, "U"]:
    """What `_short` was given: with one item to be found, NDCG@10 is 1 / log2(1 + its place), or 0."""
    possible = np.append(0.0, 1 / np.log2(1 + np.arange(10, 0, -1)))
    return possible[np.abs(np.subtract.outer(printed, possible)).argmin(axis=1)]


if __name__ == "__main__":
    main()
