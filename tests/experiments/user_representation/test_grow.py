"""`task=grow`: a trained chain takes in new tracks, and all that there was stays as it is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from rich.console import Console

from experiments.folder import trained_config
from experiments.user_representation.encoders import UNIT, Words
from experiments.user_representation.growth import grow
from experiments.watch import WatchedFit
from tests.experiments.command import Command
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.user_features.modality import Modality
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.restore import restore_content_encoder, restore_encoder
from urep_jax.training.fit import FitConfig

TRACKS, NEW, USERS, PLAYLISTS = 40, 8, 60, 90
KINDS = ("jazz", "rock")
SMALL = (
    "experiment=user_representation",
    *("train.epochs=2", "train.batch_size=64", "model.width=4", "model.hidden=[8]", "evaluation.tasks=[]"),
    *("evaluation.shares=[0.6,0.2,0.2]", "evaluation.weeks=1"),
)


def write_data(folder: Path, name: str, *, grown: bool) -> None:
    """Playlists and listening of one kind of tracks or the other; the last tracks exist only in what has grown."""
    rng = np.random.default_rng(0)
    rows, places = [], []
    for user in range(USERS):
        for event in range(30):
            track = 2 * int(rng.integers(TRACKS // 2)) + user % 2
            rows.append((f"user {user}", track, (event + 1) * 3 * SECONDS_PER_DAY + user, "play"))
    for playlist in range(PLAYLISTS):
        for place, track in enumerate(2 * rng.permutation(TRACKS // 2)[:12] + playlist % 2):
            places.append((f"playlist {playlist}", place, int(track)))
    last = TRACKS if grown else TRACKS - NEW
    rows, places = [row for row in rows if row[1] < last], [place for place in places if place[2] < last]
    user, track, time, feedback = zip(*rows, strict=True)
    events = {"user_id": user, "item_id": [f"track {t}" for t in track], "timestamp": time, "feedback": feedback}
    events |= {"device": ["phone"] * len(user)}
    pq.write_table(pa.table(events), folder / f"{name}.parquet")
    playlist, place, track = zip(*places, strict=True)
    table = {"playlist_id": playlist, "position": place, "item_id": [f"track {t}" for t in track]}
    pq.write_table(pa.table(table), folder / f"{name}-playlists.parquet")
    numbers = np.random.default_rng(1).normal(size=(TRACKS, 4)).astype(np.float32)
    items = {
        "item_id": [f"track {t}" for t in range(last)],
        "artist_id": [f"artist {t % 6 if t < TRACKS - 2 else 6}" for t in range(last)],
        # The last track has a word that nobody knew.
        "genres": [[KINDS[t % 2]] if t < TRACKS - 1 else ["polka"] for t in range(last)],
        "topic_vector": list(numbers[:last]),
    }
    pq.write_table(pa.table(items), folder / f"{name}-items.parquet")
    encoders, small = "experiments.user_representation.encoders", {"epochs": 2, "min_items": 4}
    config = {
        "name": "grown",
        "granularity": "user",
        "split": None,
        "protocol": None,
        "stats": False,
        "source": {
            "_target_": "urep_jax.data.datasets.interactions.InteractionsConfig",
            "path": str(folder / f"{name}.parquet"),
            "name": "grown",
            "granularity": "user",
            "companions": {kind: str(folder / f"{name}-{kind}.parquet") for kind in ("items", "playlists")},
        },
        "modalities": {
            "collaborative": {"_target_": f"{encoders}.Collaborative", "width": 8, "learning_rate": 0.02, **small},
            "genres": {"_target_": f"{encoders}.Words", "min_items": 4},
            "topics": {
                "_target_": f"{encoders}.Content",
                "column": "topic_vector",
                "shape": [4],
                "hidden": [8],
                "width": 4,
                **small,
            },
        },
    }
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / f"{name}.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def test_a_chain_grows_and_stays_what_it_is(command: Command, tmp_path: Path, workspace: Path) -> None:
    for name in ("before", "after"):
        write_data(tmp_path, name, grown=name == "after")
    own = (f"--config-dir={tmp_path}", f"workspace={workspace}")
    run, first, again = (tmp_path / name for name in ("run", "first", "again"))
    said = command(*own, "data=before", *SMALL)
    assert said.status == 0, said.err
    store = LineageStore(workspace / "lineage.sqlite")
    before = store.look("user_representation/grown").lineage.current

    call = (*own, "task=grow", "data=after", f"task.run={run}")
    said = command(*call, folder=first)
    assert said.status == 0, said.err
    assert (
        "genres: 32 items have a vector, 7 come in, and 1 of the data have none; 1 new words are left out" in said.out
    )
    metrics = json.loads((first / "metrics.json").read_text())
    assert {metrics[f"{name}_new"] for name in ("collaborative", "topics")} == {NEW}
    assert 0 < metrics["continuation/collaborative/ndcg@500"] <= 1
    was, now = restore_encoder(run), restore_encoder(first)
    assert now.space == was.space
    for old, grown in zip(
        (*was.features.modalities, *was.features.artists),
        (*now.features.modalities, *now.features.artists),
        strict=True,
    ):
        assert grown.space == old.space
        assert grown.item_ids[: len(old.item_ids)] == old.item_ids
        np.testing.assert_array_equal(grown.vectors[: len(old.vectors)], old.vectors)
    assert [len(one.item_ids) for one in now.features.artists] == [7, 7, 7], "an artist whose tracks are new"
    collaborative, _, topics = now.features.modalities
    assert restore_content_encoder(first, "topics").space == topics.space
    kind = np.array([int(name.split()[1]) % 2 for name in collaborative.item_ids.to_pylist()])
    cosine = collaborative.vectors[-NEW:] @ collaborative.vectors[:-NEW].T
    same = kind[-NEW:, None] == kind[:-NEW]
    assert cosine[same].mean() > cosine[~same].mean() + 0.3, "new tracks lie with those of their kind"
    _old_tracks_say_what_they_said(was, now)

    after = store.look("user_representation/grown").lineage.current
    assert {name: batch.trained_at for name, batch in after.items()} == {
        name: batch.trained_at for name, batch in before.items()
    }, "grown, not trained"
    assert {batch.run for batch in after.values()} == {str(first)}
    assert {name: batch.space_id for name, batch in after.items()} == {n: b.space_id for n, b in before.items()}

    said = command(*own, "task=grow", "data=after", f"task.run={first}", folder=again)
    assert said.status == 0, said.err
    assert "collaborative: 40 items have a vector, 0 come in, and 0 of the data have none" in said.out
    assert restore_encoder(again).space == was.space
    trained = trained_config(again)
    assert trained["model"]["width"] == 4, "knobs of the training, which the command didn't repeat"
    assert trained["data"]["source"]["path"] == str(tmp_path / "after.parquet"), "and what is trained next reads"


def _old_tracks_say_what_they_said(was: Any, now: Any) -> None:
    old = {"item_id": ["track 1", "track 3"], "feedback": ["play", "play"], "timestamp": [10, 20]}
    np.testing.assert_array_equal(was.encode_user(old).values, now.encode_user(old).values)
    new = {"item_id": [f"track {TRACKS - 3}"], "feedback": ["play"], "timestamp": [10]}
    assert (was.encode_user(new).values != now.encode_user(new).values).any()


def test_words_that_have_changed_are_told(tmp_path: Path) -> None:
    items = pa.table({"item_id": ["a", "b"], "genres": [["jazz"], ["rock"]]})
    was = Modality.trained("genres", items["item_id"].combine_chunks(), np.eye(2, dtype=np.float32))
    train = WatchedFit(tmp_path, "genres", UNIT, Console(quiet=True))

    def grown(ids: list[str], words: list[list[str]]) -> Modality:
        tables = {"items": pa.table({"item_id": ids, "genres": words})}
        return grow(Words(), was, tmp_path, tables, FitConfig(), train).modality

    both = grown(["c", "b", "a"], [["rock", "jazz", "polka"], ["rock"], ["jazz"]])
    assert both.item_ids.to_pylist() == ["a", "b", "c"]
    np.testing.assert_allclose(both.vectors[2], [0.5**0.5, 0.5**0.5], rtol=1e-6)
    for ids, words in ((["a", "b"], [["jazz"], ["jazz"]]), (["a"], [["jazz"]])):
        with pytest.raises(ValueError, match="the directions of 'genres' are known by the items that have a vector"):
            grown(ids, words)


def test_what_cannot_grow_is_told(command: Command, tmp_path: Path) -> None:
    assert "task=grow needs task.run=FOLDER" in command("task=grow").err
    assert "nowhere is no folder" in command("task=grow", f"task.run={tmp_path / 'nowhere'}").err
