"""NDCG@10 of trained models on the published leave-one-out lists: `python -m benchmarks.leave_one_out PATH FOLDER...`.

PATH is the folder of the published lists, the FOLDERs hold runs with `data=movielens_1m_leave_one_out`. Each model is
asked three times: for the next item of the 512 users that the split's authors validated on, the same of all 4,550 users
whose lists are known to the end, and for the last item of these. Runs of one setting with several seeds are a row; rows
are compared with the first one user by user, each user's difference being the mean over the seeds that both have. It
prints JSON, and the table to the terminal besides.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

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
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.model_scorer import transformer_scorer
from urep_jax.evaluation.next_item import next_item

Answers = Mapping[Repeat, Mapping[str, ByUser]]
"""NDCG@10 by repetition and question."""


def ndcg(run_folder: Path, log: EventLog, asked: Mapping[str, Cases]) -> dict[str, ByUser]:
    """NDCG@10 of a run's model, by question."""
    model = urep_jax.restore(run_folder)
    sequences = Sequences(log, model.vocabulary, model.sequences)
    scorers = {name: transformer_scorer(model.params, model.cfg, sequences, cases) for name, cases in asked.items()}
    return {name: next_item(scorer, log, asked[name])["ndcg@10"] for name, scorer in scorers.items()}


def gain(of: Answers, over: Answers, question: str) -> Estimate | None:
    """The difference of two rows, by users; None if they have no seed in common."""
    common = sorted(of.keys() & over.keys(), key=str)
    if not common:
        return None
    return by_users(np.mean([of[seed][question].values - over[seed][question].values for seed in common], axis=0))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the numbers as JSON, and the table on the standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leave_one_out",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="folder of the published lists")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="run folders, or folders of them")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as workspace:
        log = prepare(Movielens1mLeaveOneOutConfig(path=given.path), workspace)
    published, extended = (PublishedSplit(given.path, which)(log) for which in ("published", "extended"))
    asked = {
        f"validation, {len(published.validation)}": published.validation,
        f"validation, {len(extended.validation):,}": extended.validation,
        f"test, {len(extended.test):,}": extended.test,
    }
    rows = {
        row.name: {repeat: ndcg(run.folder, log, asked) for repeat, run in row.runs.items()}
        for row in rows_of(read_runs(given.folders))
        if row.model == "model"
    }
    first = next(iter(rows))
    table = [["NDCG@10", "seeds", *asked, *(f"{question}: over {first}" for question in asked)]]
    numbers = {}
    for name, answers in rows.items():
        values = {question: [own[question].value for own in answers.values()] for question in asked}
        found = {question: one for question in asked if name != first and (one := gain(answers, rows[first], question))}
        numbers[name] = {"ndcg": values, "gains": {question: one[:2] for question, one in found.items()}}
        told = [estimate(own).told(4) for own in values.values()]
        told += [found[question].told(4, sign=True) if question in found else "–" for question in asked]
        table.append([name, str(len(answers)), *told])
    print(json.dumps({"machine": describe(), "leave_one_out": numbers}, indent=1))
    print(markdown_table(table), file=sys.stderr)


if __name__ == "__main__":
    main()
