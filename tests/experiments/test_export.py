"""A trained recommender, exported through the command; the chain's test exports an encoder."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import urep_jax
from tests.experiments.command import Command
from urep_jax.data.vocabulary import load_vocabulary
from urep_jax.serving.exported import load_exported
from urep_jax.serving.questions import questions

EVENTS = {"item_id": ["track 3", "track 5", "new to all"], "feedback": ["up", "skip", "up"]}


@pytest.mark.parametrize("name", [".", "positive_only"])
def test_a_recommender_is_exported(name: str, command: Command, run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "exported"
    said = command("task=export", f"task.run={run_folder / name}", f"task.out={out}")
    assert said.status == 0, said.err
    files = [path for path in out.rglob("*") if path.is_file()]
    total = sum(path.stat().st_size for path in files)
    assert f"{len(files)} files, {total:,} bytes" in said.out
    assert re.search(r"encode\.stablehlo: [\d,]+ bytes", said.out)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == {"files": len(files), "bytes": total}

    model, loaded, vocabulary = (
        urep_jax.restore(run_folder / name),
        load_exported(out),
        load_vocabulary(out / "vocabulary"),
    )
    batch = questions([EVENTS], ["station 2"], vocabulary, model.sequences).batch
    query = loaded(**{column: getattr(batch, column) for column in loaded.programs["encode"].inputs})
    np.testing.assert_allclose(query[0], model.encode(EVENTS, "station 2"), rtol=1e-6, atol=1e-6)
    ranking = model.rank(EVENTS, vocabulary.item_ids[:30], "station 2")
    scores = loaded.programs["score"](query=query, item=vocabulary.item_rows(vocabulary.item_ids[:30])[None])[0]
    np.testing.assert_allclose(np.sort(scores)[::-1], ranking.scores, rtol=1e-5, atol=1e-6)

    again = command("task=export", f"task.run={run_folder / name}", f"task.out={out}")
    assert "this run has ended before" in again.out


def test_an_export_lies_in_the_commands_folder(command: Command, run_folder: Path, tmp_path: Path) -> None:
    said = command("task=export", f"task.run={run_folder}")
    assert said.status == 0, said.err
    assert load_exported(tmp_path / "run" / "export").kind == "recommender"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "task=export needs task.run=FOLDER, the folder of a run that trained a model"),
        (["task.run=nowhere"], "nowhere is no folder"),
        (["task.run=RUN", "task.out=RUN"], "holds something that is no export, which would be lost"),
    ],
)
def test_what_is_missing_is_told(command: Command, run_folder: Path, arguments: list[str], told: str) -> None:
    said = command("task=export", *(word.replace("=RUN", f"={run_folder}") for word in arguments))
    assert said.status == 1
    assert told in said.err
    assert (run_folder / "checkpoints").is_dir()
