"""What is done with a chain once it is trained, through the command."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from experiments.data import load_log, load_tables
from tests.experiments.command import Command
from tests.experiments.user_representation.small import SMALL
from urep_jax.data.user_features.features import user_features
from urep_jax.data.user_features.space import load_space
from urep_jax.serving.exported import load_exported
from urep_jax.serving.restore import restore_content_encoder
from urep_jax.serving.user_encoder import UserEncoder


def ranked_by_another(command: Command, tmp_path: Path) -> None:
    """The negative-feedback recommender, trained on the same log, ranks what the two towers found."""
    data = ("data=streaming", *(knob for knob in SMALL if knob.lstrip("+").startswith("data.source")))
    small = ("max_length=20", "model.width=8", "model.blocks=1", "train.epochs=1", "train.strata=1", "baselines=[]")
    said = command("experiment=negative_feedback", *data, *small, folder=tmp_path / "recommender")
    assert said.status == 0, said.err
    call = (f"task.run={tmp_path / 'recommender'}", f"task.candidates={tmp_path / 'run' / 'candidates.parquet'}")
    said = command("task=rank", *data, *call, folder=tmp_path / "ranked")
    assert said.status == 0, said.err
    given, ranked = pq.read_table(tmp_path / "run" / "candidates.parquet"), pq.read_table(tmp_path / "ranked/ranking")
    pairs = [
        set(zip(*(one[name].to_pylist() for name in ("user_id", "item_id")), strict=True)) for one in (given, ranked)
    ]
    assert pairs[0] == pairs[1], "all of them, and nothing else"
    one = ranked.filter(np.asarray(ranked["user_id"]) == given["user_id"][0].as_py())
    assert one["place"].to_pylist() == list(range(1, 101))
    assert len(set(one["score"].drop_null().to_pylist())) > 10, "the model knows them, and tells them apart"


def embed(command: Command, tmp_path: Path, encoder: UserEncoder) -> None:
    """Vectors of all users, and of a command that was stopped and goes on."""
    data = [knob for knob in SMALL if knob.lstrip("+").startswith("data.source")]
    folder = tmp_path / "embedded"
    call = ("task=embed_users", "data=streaming", f"task.run={tmp_path / 'run'}", "task.block=64", *data)
    said = command(*call, folder=folder)
    assert said.status == 0, said.err
    assert "has vectors of" in said.out
    assert f"150 users in the space {encoder.space.id}" in said.out
    parts = sorted((folder / "users").glob("*.parquet"))
    assert len(parts) == 3
    whole = pq.read_table(folder / "users")
    assert whole.column_names == ["user_id", "vector", "space_id", "time"]
    assert set(whole["space_id"].to_pylist()) == {encoder.space.id}
    vectors = np.array(whole["vector"].to_pylist())
    assert vectors.shape == (150, 8)
    assert len(np.unique(vectors.round(6), axis=0)) > 100, "users differ"
    (folder / "metrics.json").unlink()
    parts[1].unlink()
    before = parts[0].stat().st_mtime_ns
    assert command(*call, folder=folder).status == 0
    assert parts[0].stat().st_mtime_ns == before
    assert pq.read_table(folder / "users").equals(whole)
    embed_by_two(call, tmp_path, whole)


def exported_users(command: Command, tmp_path: Path, encoder: UserEncoder) -> None:
    """An export makes of raw features what the encoder makes of the log."""
    said = command("task=export", f"task.run={tmp_path / 'run'}", folder=tmp_path / "exported")
    assert said.status == 0, said.err
    assert "3 files, " in said.out
    exported = load_exported(tmp_path / "exported" / "export")
    assert exported.told["spaces"] == encoder.space.ids
    cfg = OmegaConf.load(tmp_path / "run" / "config.yaml")
    assert isinstance(cfg, DictConfig)
    log = load_log(cfg, Console(quiet=True))
    inputs = encoder.features.read(log, load_tables(cfg))
    user, time = np.arange(20), np.full(20, int(log.timestamp.max()))
    z_u = exported(x_u=user_features(inputs, user, time, encoder.features.cfg))
    np.testing.assert_allclose(z_u, encoder.encode(inputs, user, time).values, rtol=1e-5, atol=1e-6)


def embed_by_two(call: tuple[str, ...], tmp_path: Path, whole: pa.Table) -> None:
    """Two processes share the users, and write what one writes."""
    folder, workspace = tmp_path / "by two", next(word for word in sys.argv if word.startswith("workspace="))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    places = (f'distributed={{coordinator: "{coordinator}", processes: 2, process: {n}}}' for n in range(2))
    start = [sys.executable, "-m", "experiments.run", *call, workspace, f"hydra.run.dir={folder}"]
    both = [subprocess.Popen([*start, place], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for place in places]
    for child, tells in zip(both, (True, False), strict=True):
        told, _ = child.communicate(timeout=120)
        assert child.returncode == 0, told.decode()
        assert ("150 users in the space" in told.decode()) == tells, "what both have made is told by one"
    assert pq.read_table(folder / "users").equals(whole)
    assert json.loads((folder / "metrics.json").read_text()) == {"users": 150}


def encode_content(command: Command, tmp_path: Path) -> None:
    """An encoder that is restored makes of the items what it made of them in the run, on the scale that it kept."""
    run = tmp_path / "run"
    cfg = OmegaConf.load(run / "config.yaml")
    assert isinstance(cfg, DictConfig)
    items = load_tables(cfg)["items"]
    for modality in load_space(run / "features").modalities:
        if modality.name == "collaborative":
            continue
        encoder = restore_content_encoder(run, modality.name)
        known = items.filter(pc.is_in(items["item_id"], value_set=modality.item_ids))
        content = np.array(known[cfg.data.modalities[modality.name].column].to_pylist(), np.float32)
        found = encoder.encode(modality.item_ids, content.reshape(-1, *encoder.cfg.shape))
        np.testing.assert_allclose(found.values, modality.vectors, atol=1e-5)
        assert encoder.space == modality.space
    for name, told in {
        "audio": "'audio' of .* was not trained on audio files",
        "collaborative": "'collaborative' of .* has learnt from logs, and reads no content",
        "smell": "has no encoder 'smell', but audio, collaborative, shows; name one of them",
    }.items():
        said = command("task=embed_audio", f"task.run={run}", f"task.encoder={name}", folder=tmp_path / "none")
        assert said.status == 1
        assert re.search(told, said.err)
