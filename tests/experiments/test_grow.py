"""`task=grow` of a recommender: new tracks come in, and all that it said of old ones it says again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from benchmarks.grown_recommender import main as grown_recommender
from experiments.folder import trained_config
from tests.experiments.command import NEGATIVE, SMALL, Command
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.vocabulary import FIRST_ITEM, UNKNOWN
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.restore import restore

TRACKS, NEW, USERS, DAYS = 40, 8, 60, 40
TINY = (*(knob for knob in SMALL if not knob.startswith("data.")), "baselines=[]")


def write_data(folder: Path, name: str, days: int) -> None:
    """Listeners of one half of the tracks or the other, in the first days; the last tracks appear on day 20."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(USERS):
        for day in range(DAYS):
            for part in range(3):
                track = int(rng.integers(TRACKS - (NEW if day < DAYS // 2 else 0)))
                word = "up" if (track % 2 == user % 2) == (rng.random() < 0.9) else "down"
                if day < days:
                    rows.append((f"user {user}", f"track {track}", day * SECONDS_PER_DAY + 100 * part, word))
    columns = ("user_id", "item_id", "timestamp", "feedback")
    pq.write_table(pa.table(dict(zip(columns, zip(*rows, strict=True), strict=True))), folder / f"{name}.parquet")
    config = {
        "name": "grown",
        "granularity": "user",
        "split": {"_target_": "urep_jax.data.splits.PaperSplit", "test_days": 5},
        "protocol": "pairs",
        "stats": False,
        "source": {
            "_target_": "urep_jax.data.datasets.interactions.InteractionsConfig",
            "path": str(folder / f"{name}.parquet"),
            "name": "grown",
            "granularity": "user",
        },
        "modalities": None,
    }
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture
def own(tmp_path: Path) -> tuple[str, ...]:
    """What all commands say: where the data is that has 20 days, or all of them."""
    write_data(tmp_path, "before", DAYS // 2)
    write_data(tmp_path, "after", DAYS)
    return (f"--config-dir={tmp_path}", NEGATIVE)


def test_a_recommender_grows_and_stays_what_it_is(
    command: Command, own: tuple[str, ...], tmp_path: Path, workspace: Path
) -> None:
    run, first, again = (tmp_path / name for name in ("run", "first", "again"))
    said = command(*own, "data=before", *TINY)
    assert said.status == 0, said.err
    store = LineageStore(workspace / "lineage.sqlite")
    before = store.look("negative_feedback/grown").lineage.current["recommender"]

    said = command(*own, "task=grow", "data=after", f"task.run={run}", folder=first)
    assert said.status == 0, said.err
    assert "32 items are known, and 8 come in" in said.out
    metrics = json.loads((first / "metrics.json").read_text())
    assert (metrics["were"], metrics["new"]) == (TRACKS - NEW, NEW)
    assert 0 < metrics["pair_accuracy"] < 1
    was, now = restore(run), restore(first)
    assert now.space == was.space
    assert (was.trained_items, now.trained_items, now.cfg.num_items) == (TRACKS - NEW, TRACKS - NEW, TRACKS)
    assert now.vocabulary.item_ids[: TRACKS - NEW] == was.vocabulary.item_ids
    table_RxF, old_RxF = np.asarray(now.params["tables"]["item"]), np.asarray(was.params["tables"]["item"])
    np.testing.assert_array_equal(table_RxF[: len(old_RxF)], old_RxF)
    assert (table_RxF[len(old_RxF) :] != old_RxF[UNKNOWN]).any(axis=1).all()
    np.testing.assert_array_equal(now.params["tables"]["station"], was.params["tables"]["station"])
    _same_bits(now.params["body"], was.params["body"])
    _old_tracks_have_their_scores(was, now)

    after = store.look("negative_feedback/grown").lineage.current["recommender"]
    assert (after.space_id, after.trained_at) == (before.space_id, before.trained_at), "grown, not trained"
    assert (before.run, after.run) == (str(run), str(first))

    said = command(*own, "task=grow", "data=after", f"task.run={first}", folder=again)
    assert said.status == 0, said.err
    assert "40 items are known, and 0 come in" in said.out
    assert (restore(again).space, restore(again).trained_items) == (was.space, TRACKS - NEW)
    _same_bits(restore(again).params, now.params)
    trained = trained_config(again)
    assert trained["train"]["epochs"] == 2, "knobs of the training, which the command didn't repeat"
    assert trained["data"]["source"]["path"] == str(tmp_path / "after.parquet")


def _same_bits(now: Any, was: Any) -> None:
    assert now.keys() == was.keys()
    for name, value in was.items():
        if isinstance(value, dict):
            _same_bits(now[name], value)
        else:
            np.testing.assert_array_equal(now[name], value)


def _old_tracks_have_their_scores(was: Any, now: Any) -> None:
    old = {"item_id": ["track 1", "track 3"], "feedback": ["up", "down"], "timestamp": [10, 20]}
    ids = was.vocabulary.item_ids
    before, after = was.rank(old, ids), now.rank(old, ids)
    assert before.items == after.items
    np.testing.assert_array_equal(before.scores, after.scores)
    new = f"track {TRACKS - 1}"
    assert was.rank(old, [new]).unknown.candidates == (new,)
    assert np.isfinite(now.rank(old, [new]).scores).all()
    assert new in now.recommend(old, k=TRACKS).items
    heard = {"item_id": [new], "feedback": ["up"], "timestamp": [10]}
    assert (was.encode(heard) != now.encode(heard)).any()
    assert now.vocabulary.item_rows(pa.array([new]))[0] >= FIRST_ITEM + TRACKS - NEW


def test_what_cannot_grow_is_told(command: Command, own: tuple[str, ...], tmp_path: Path) -> None:
    run, call = tmp_path / "run", (*own, "task=grow", "data=after")
    said = command(*own, "data=before", *TINY, "baselines=[positive_only]")
    assert said.status == 0, said.err

    def refused(*arguments: str) -> str:
        said = command(*arguments, folder=tmp_path / "grown")
        assert said.status == 1
        return " ".join(said.err.split())

    assert "task=grow needs task.run=FOLDER" in refused(*call)
    assert "nowhere is no folder" in refused(*call, f"task.run={tmp_path / 'nowhere'}")
    assert "has no config.yaml, so nothing says how its models were trained; name a run's folder" in refused(
        *call, f"task.run={run / 'positive_only'}"
    )
    assert "data.split is null; add experiment=negative_feedback to the command" in refused(
        own[0], "task=grow", "data=after", f"task.run={run}", "data.split=null"
    )
    others = pq.read_table(tmp_path / "after.parquet")
    named = pa.array([f"song {name}" for name in others["item_id"].to_pylist()])
    pq.write_table(others.set_column(1, "item_id", named), tmp_path / "after.parquet")
    assert "knows none of the 40 items in these events" in refused(*call, f"task.run={run}")


def test_the_benchmark_tells_that_old_scores_stay(capsys: pytest.CaptureFixture[str]) -> None:
    grown_recommender(["--seeds", "0", "--knobs", *SMALL[1:], "data.split.test_days=30"])
    told = json.loads(capsys.readouterr().out)["grown_recommender"]
    (left,) = told["left_as_it_was"]
    assert left["same_space"] == 1
    assert left["scores_of_old_tracks"] > 1000
    assert left["largest_change_of_these"] == 0
    models = told["models"]
    assert models["not grown"]["ndcg_new"] == 0, "what isn't known is never recommended"
    assert set(models) == {"not grown", "grown", "trained anew", "grown less not grown", "grown less trained anew"}
    assert all(0 <= models[name]["pairs_new"] <= 1 for name in ("not grown", "grown", "trained anew"))
