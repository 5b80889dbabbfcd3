"""A real run, restored: the model that was evaluated, wherever it is called."""

import json
import os
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf
from rich.console import Console

import urep_jax
from experiments.data import load_data
from tests.programs import fake_devices
from tests.serving.tiny import ROOT
from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import Sequences
from urep_jax.data.vocabulary import FIRST_ITEM
from urep_jax.evaluation.model_scorer import transformer_scorer
from urep_jax.evaluation.scorer import Scorer
from urep_jax.serving import restore as restoring


@pytest.fixture(scope="module")
def model(run_folder: Path) -> urep_jax.Recommender:
    return urep_jax.restore(run_folder)


@pytest.fixture(scope="module")
def data(run_folder: Path) -> tuple[EventLog, Split]:
    return load_data(OmegaConf.load(run_folder / "config.yaml"), Console(file=StringIO()))


def evaluated(model: urep_jax.Recommender, data: tuple[EventLog, Split]) -> Scorer:
    log, split = data
    sequences = Sequences(log, model.vocabulary, model.sequences)
    return transformer_scorer(model.params, model.cfg, sequences, split.test)


@pytest.mark.parametrize("name", [".", "positive_only"])
def test_what_is_ranked_is_what_was_evaluated(name: str, run_folder: Path, data: tuple[EventLog, Split]) -> None:
    model, (log, split) = urep_jax.restore(run_folder / name), data
    scorer, cases = evaluated(model, data), split.test
    for case in range(0, len(cases), max(1, len(cases) // 12)):
        items = np.unique(cases.item[cases.offsets[case] : cases.offsets[case + 1]])
        events = urep_jax.events_of(log, cases.start[case], cases.stop[case])
        station = log.station_ids[cases.station[case]].as_py()
        ranking = model.rank(events, log.item_ids.take(items), station)
        scores = dict(zip(ranking.items, ranking.scores, strict=True))
        found = [scores[log.item_ids[item].as_py()] for item in items]
        expected = np.asarray(scorer.candidates(np.array([case]), items[None]))[0]
        known = model.vocabulary.item_rows(log.item_ids.take(items)) >= FIRST_ITEM
        np.testing.assert_allclose(found, np.where(known, expected, np.nan), rtol=1e-5, atol=1e-5)


def test_what_is_recommended_heads_the_catalogue(model: urep_jax.Recommender, data: tuple[EventLog, Split]) -> None:
    (log, split), few = data, np.arange(6)
    cases = split.test
    listeners = [urep_jax.events_of(log, cases.start[case], cases.stop[case]) for case in few]
    stations = [log.station_ids[cases.station[case]].as_py() for case in few]
    recommended = model.recommend_many(listeners, stations, k=20, exclude_ups=False)
    scores_CxV = np.asarray(evaluated(model, data).catalogue(few, slice(0, log.num_items)))
    for scores_V, ranking in zip(scores_CxV, recommended, strict=True):
        np.testing.assert_allclose(ranking.scores, np.sort(scores_V)[::-1][:20], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            scores_V[[log.item_ids.index(item).as_py() for item in ranking.items]], ranking.scores, atol=1e-5
        )


def test_four_devices_give_the_scores_of_one(run_folder: Path, model: urep_jax.Recommender) -> None:
    asked = {
        "events": {"item_id": ["track 3", "track 5", "new to all"], "feedback": ["up", "skip", "up"]},
        "candidates": [f"track {number}" for number in range(0, 40, 3)],
        "station": "station 2",
    }
    program = (
        "import json, sys, jax, urep_jax\n"
        "model = urep_jax.restore(sys.argv[1])\n"
        "ranking = model.rank(**json.loads(sys.argv[2]))\n"
        "best = model.recommend(json.loads(sys.argv[2])['events'], k=5).items\n"
        "print(json.dumps([jax.device_count(), ranking.items, ranking.scores.tolist(), best]))"
    )
    env = os.environ | fake_devices(4)
    command = [sys.executable, "-c", program, str(run_folder), json.dumps(asked)]
    told = subprocess.run(command, env=env, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    devices, items, scores, best = json.loads(told)
    ranking = model.rank(**asked)
    assert (devices, items, best) == (4, ranking.items, model.recommend(asked["events"], k=5).items)
    np.testing.assert_allclose(scores, ranking.scores, rtol=1e-5, atol=1e-5)


def test_the_baseline_is_restored_with_its_own_config(run_folder: Path, model: urep_jax.Recommender) -> None:
    baseline = urep_jax.restore(str(run_folder / "positive_only"))
    assert (baseline.sequences.inputs, baseline.cfg.feedback) == (("up",), False)
    assert (model.sequences.inputs, model.cfg.feedback) == (("up", "down", "skip"), True)
    assert baseline.vocabulary.item_ids == model.vocabulary.item_ids


def test_what_is_no_finished_run_is_refused(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone is no folder; name a run's folder"):
        urep_jax.restore(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="is no run's folder: it holds no checkpoints/"):
        urep_jax.restore(tmp_path)
    shutil.copy(run_folder / "config.yaml", tmp_path)
    with pytest.raises(FileNotFoundError, match="has saved no checkpoint yet; repeat the run's command to continue it"):
        urep_jax.restore(tmp_path)
    shutil.copytree(run_folder / "checkpoints", tmp_path / "copied" / "checkpoints")
    with pytest.raises(FileNotFoundError, match="copied holds no vocabulary/, nor does the folder above it"):
        urep_jax.restore(tmp_path / "copied")


def test_another_system_or_format_is_refused(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = restoring.read_config(run_folder / "checkpoints")
    for change, told in (
        ({"system": "user_representation"}, "the system 'user_representation', but only 'negative_feedback' can be"),
        ({"format": 4}, "written in format 4, but this version reads 3; train it again, or restore it with the"),
        (
            {"format": 1, "model": {**config["model"], "signed": True}},
            "written in format 1, but this version reads 3; train it again, or restore it with the",
        ),
    ):
        monkeypatch.setattr(restoring, "read_config", lambda _, change=change: {**config, **change})
        with pytest.raises(ValueError, match=told):
            urep_jax.restore(run_folder)


def test_a_checkpoint_of_a_format_before_is_read(
    run_folder: Path, model: urep_jax.Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = restoring.read_config(run_folder / "checkpoints")
    before = {knob: value for knob, value in config["model"].items() if knob not in ("fold_in", "distance")}
    known = {name: value for name, value in config.items() if name != "trained_items"}
    for older in (
        {**known, "format": 1, "model": {**before, "signed": False}},
        {**known, "format": 2},
    ):
        monkeypatch.setattr(restoring, "read_config", lambda _, older=older: older)
        restored = urep_jax.restore(run_folder)
        assert (restored.cfg, restored.space) == (model.cfg, model.space)


def test_importing_the_library_costs_nothing() -> None:
    program = (
        "import sys, urep_jax; assert 'jax' not in sys.modules; urep_jax.restore; assert 'hydra' not in sys.modules; "
        "assert set(urep_jax.__all__) <= set(dir(urep_jax)); [getattr(urep_jax, name) for name in urep_jax.__all__]"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    with pytest.raises(AttributeError, match="no attribute 'resotre'; its names are ContentEncoder, EventLog, "):
        _ = urep_jax.resotre
