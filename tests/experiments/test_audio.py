"""Real files through the command: an encoder is trained on a folder of sounds, and put to use on another."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments import audio_parts
from tests.data.audio.sounds import chord, noise, tone, write
from tests.experiments.command import Command
from urep_jax.data.audio.decode import read_excerpt
from urep_jax.data.audio.spectrogram import SpectrogramConfig, log_mel
from urep_jax.data.ingest.companions import write_companion
from urep_jax.serving.restore import restore_content_encoder

SOUND = SpectrogramConfig(bands=16, frames=8, sample_rate=8_000, window=512, hop=256)
SMALL = (
    "task=train_audio",
    *(
        f"task.encoder.sound.{name}={getattr(SOUND, name)}"
        for name in ("bands", "frames", "sample_rate", "window", "hop")
    ),
    *("task.encoder.width=8", "task.encoder.min_items=4", "task.encoder.epochs=10", "task.encoder.batch_size=4"),
    *("+task.encoder.hidden=[8,16]", "+task.encoder.patience=20", "+task.encoder.learning_rate=0.01"),
)
KINDS = [
    *(("tone", low) for low in (200, 350, 600, 1000, 1700, 2900)),
    *(("chord", low) for low in (250, 450, 800, 1300, 2000)),
    ("noise", 0),
]


def make_sounds(folder: Path, each: int, seed: int) -> None:
    """A folder for each kind; its sounds are a little higher or lower, louder or softer, and not quite clean."""
    rng = np.random.default_rng(seed)
    for kind, low in KINDS:
        for number in range(each):
            rate = int(rng.choice([8_000, 16_000, 44_100]))
            hz = low * rng.uniform(0.97, 1.03)
            samples = noise(0.4, int(rng.integers(1 << 30)), rate) * (1.0 if kind == "noise" else 0.02)
            if kind != "noise":
                samples = samples + (tone if kind == "tone" else chord)(hz, 0.4, rate)
            write(folder / f"{kind} {low}" / f"{number}.wav", samples * rng.uniform(0.3, 1.0), rate)


def nearness(item_ids: list[str], vectors: np.ndarray) -> tuple[float, float, float]:
    """How often the nearest of a sound is of its kind, and the mean cosines of sounds of one kind and of two."""
    kind = np.array([item_id.split("/")[0] for item_id in item_ids])
    cosine, same = vectors @ vectors.T, kind[:, None] == kind
    np.fill_diagonal(same, val=False)
    np.fill_diagonal(cosine, -np.inf)
    pure = float(np.mean(kind[cosine.argmax(axis=1)] == kind))
    return pure, float(cosine[same].mean()), float(cosine[kind[:, None] != kind].mean())


def test_an_encoder_of_sounds_is_trained_and_put_to_use(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    music, run = tmp_path / "music", tmp_path / "run"
    make_sounds(music, 6, 0)
    (music / "tone 200" / "broken.mp3").write_bytes(b"")
    trained = command(*SMALL, f"task.audio={music}", "task.block=50")
    assert trained.status == 0, trained.err
    assert "1 of 73 files were left out (1: it can't be decoded: " in trained.out
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["files"] == 72
    assert metrics["continuation/audio/ndcg@500"] > 0.3
    assert re.search(r"72 files, continuation/audio/ndcg@500 1?\.\d{4}", trained.out)
    again = command(*SMALL, f"task.audio={music}", "task.block=50")
    assert "this run has ended before" in again.out

    encoder = restore_content_encoder(run, "audio")
    assert encoder.sound == SOUND
    items = pq.read_table(run / "items")
    mel = np.array(items["log_mel"].to_pylist(), np.float32)
    np.testing.assert_allclose(encoder.scale.mean, mel.mean(), rtol=1e-4)
    np.testing.assert_allclose(encoder.scale.spread, mel.std(), rtol=1e-4)
    np.testing.assert_array_equal(
        mel[0].reshape(SOUND.shape), log_mel(read_excerpt(music / items["item_id"][0].as_py(), SOUND), SOUND)
    )

    assert write_companion("items", run / "items", tmp_path / "items.parquet") == 72, "logs can have them as companions"
    assert pq.read_table(tmp_path / "items.parquet").to_pylist() == items.to_pylist()

    others, out = tmp_path / "others", tmp_path / "embedded"
    make_sounds(others, 4, 1)
    (others / "text, no sound.wav").write_text("text")
    (others / "away.wav").symlink_to(music / "tone 200" / "0.wav")
    call = ("task=embed_audio", f"task.run={run}", f"task.audio={others}", "task.block=20")
    _killed_at_the_second_part(command, call, out, monkeypatch)
    said = command(*call, folder=out)
    assert said.status == 0, said.err
    assert f"48 files in the space {encoder.space.id}" in said.out
    table = pq.read_table(out / "items")
    assert table.column_names == ["item_id", "vector", "space_id"]
    assert set(table["space_id"].to_pylist()) == {encoder.space.id}
    ids, vectors = table["item_id"].to_pylist(), np.array(table["vector"].to_pylist(), np.float32)
    assert ids == sorted(ids)
    pure, within, between = nearness(ids, vectors)
    assert pure > 0.7, "by chance it is 3/47"
    assert within > 0.7 > 0.3 > between
    with (out / "rejects.csv").open() as file:
        assert [row["item_id"] for row in csv.DictReader(file)] == ["away.wav", "text, no sound.wav"]

    whole = command(*call, folder=tmp_path / "at once")
    assert whole.status == 0, whole.err
    assert pq.read_table(tmp_path / "at once" / "items").equals(table)
    assert (tmp_path / "at once" / "rejects.csv").read_text() == (out / "rejects.csv").read_text()
    direct = encoder.encode(pa.array(ids), np.stack([log_mel(read_excerpt(others / one, SOUND), SOUND) for one in ids]))
    np.testing.assert_allclose(vectors, direct.values, atol=1e-5)

    write(others / "one more.wav", tone(440, 0.4))
    (out / "metrics.json").unlink()
    changed = command(*call, folder=out)
    assert changed.status == 1
    assert "holds a run on other data: 49 files with digest" in changed.err


def _killed_at_the_second_part(
    command: Command, call: tuple[str, ...], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = audio_parts.audio_items
    calls: list[int] = []

    def die(*args: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise SystemExit(9)
        return made(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(audio_parts, "audio_items", die)
        assert command(*call, folder=out).status == 9
    assert [path.name for path in sorted((out / "items").iterdir())] == ["part-00000.parquet"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["task=train_audio"], "task=train_audio needs task.audio=FOLDER"),
        (
            ["task=train_audio", "task.audio=nowhere"],
            "nowhere is no folder; name the folder that the audio files lie in",
        ),
        (["task=train_audio", "task.audio=nowhere", "task.block=0"], "task.block is 0, but must be at least 1"),
        (["task=train_audio", "task.encoder.sound=null", "task.encoder.shape=[9,9]"], "task.encoder.sound is null"),
        (["task=train_audio", "task.encoder.shape=[9,9]"], "shape is [9, 9], but sound makes spectrograms of 64 bands"),
        (["task=train_audio", "task.encoder.sound.bands=0"], "bands is 0, but must be at least 1"),
        (["task=embed_audio"], "task=embed_audio needs task.run=FOLDER"),
        (["task=embed_audio", "task.run=nowhere"], "nowhere is no folder; name a run's folder"),
    ],
)
def test_what_is_wrong_is_told(command: Command, arguments: list[str], told: str) -> None:
    said = command(*arguments)
    assert said.status == 1
    assert told in said.err


def test_a_folder_of_which_nothing_can_be_read_or_told_apart_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.wav").write_text("text")
    said = command(*SMALL, f"task.audio={tmp_path / 'text'}", folder=tmp_path / "none")
    assert said.status == 1
    assert "none of the 1 audio files can be read: a.wav: it can't be decoded" in said.err
    for artist in range(3):
        for number in range(4):
            write(tmp_path / "few" / f"{artist}" / f"{number}.wav", tone(440, 0.1))
    said = command(*SMALL, f"task.audio={tmp_path / 'few'}", folder=tmp_path / "few run")
    assert said.status == 1
    assert "a twentieth of the sets of 4 items or more validates, but artists has too few of them" in said.err
