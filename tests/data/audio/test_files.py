"""Folders of audio files: what is found, what is refused, and what comes out of the rest."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.data.audio.sounds import chord, noise, tone, write
from urep_jax.data.audio.decode import AudioError, read_excerpt
from urep_jax.data.audio.files import find_audio
from urep_jax.data.audio.items import audio_items
from urep_jax.data.audio.spectrogram import SpectrogramConfig, log_mel

CFG = SpectrogramConfig(bands=24, frames=20, sample_rate=8_000, window=512, hop=256)


def heard(path: Path) -> np.ndarray:
    return log_mel(read_excerpt(path, CFG), CFG)


def test_a_folder_is_read_whole_and_nothing_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "music", tmp_path / "outside"
    for name in ("b.wav", "ann/a.FLAC", "ann/live/c.ogg", "bob/d.mp3"):
        write(root / name, tone(440, 0.2))
    write(outside / "secret.wav", tone(440, 0.2))
    (root / "ann" / "cover.jpg").write_bytes(b"")
    (root / "out.wav").symlink_to(outside / "secret.wav")
    (root / "elsewhere").symlink_to(outside)
    (root / "bob" / "again").symlink_to(root / "ann")
    (root / "bob" / "loop").symlink_to(root)
    (root / "bob" / "same.wav").symlink_to("../b.wav")
    (root / "gone.wav").symlink_to("nowhere.wav")
    (root / "fifo.wav").parent.mkdir(exist_ok=True)
    os.mkfifo(root / "fifo.wav")
    (root / os.fsdecode(b"\xff.wav")).write_bytes(b"")
    found = find_audio(root)
    assert [(file.item_id, file.artist_id) for file in found.files] == [
        ("ann/a.FLAC", "ann"),
        ("ann/live/c.ogg", "ann"),
        ("b.wav", None),
        ("bob/d.mp3", "bob"),
        ("bob/same.wav", "bob"),
    ]
    assert found.rejected == [
        ("?.wav", "its name is no UTF-8"),
        ("elsewhere", "it is a link out of the folder"),
        ("fifo.wav", "it is no file"),
        ("gone.wav", "it is a link that leads nowhere"),
        ("out.wav", "it is a link out of the folder"),
    ]
    before = found.digest()
    assert find_audio(f"{root}/").digest() == before
    write(root / "b.wav", tone(440, 0.3))
    assert find_audio(root).digest() != before


def test_what_is_no_folder_of_audio_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is no folder; name the folder"):
        find_audio(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"holds no file that ends in \.wav, \.flac, \.ogg, \.mp3"):
        find_audio(tmp_path)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_formats_and_rates_give_one_spectrogram(tmp_path: Path, suffix: str, rate: int) -> None:
    """Over the bands and moments in which there is something to hear."""
    expected = log_mel(chord(500, 2.0, CFG.sample_rate), CFG)
    found = heard(write(tmp_path / f"a.{suffix}", chord(500, 2.0, rate), rate))
    loud = expected > -30
    assert 0.1 < loud.mean() < 0.9
    np.testing.assert_allclose(found[loud], expected[loud], atol=1)
    if suffix in ("wav", "flac"):
        np.testing.assert_allclose(found, expected, atol=3)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = noise(2.0, 0), noise(2.0, 1)
    stereo = heard(write(tmp_path / "stereo.wav", np.stack([left, right], axis=1)))
    np.testing.assert_allclose(stereo, heard(write(tmp_path / "mono.wav", (left + right) / 2)), atol=0.1)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_only_the_middle_of_a_long_file_is_decoded(tmp_path: Path, suffix: str) -> None:
    long = np.concatenate([noise(3.0, 0), tone(440, 3.0), noise(3.0, 1)])
    path = write(tmp_path / f"long.{suffix}", long)
    assert len(read_excerpt(path, CFG)) <= CFG.samples + CFG.window + 1
    expected = log_mel(tone(440, 3.0, CFG.sample_rate), CFG)
    loud = expected > -30
    np.testing.assert_allclose(heard(path)[loud], expected[loud], atol=0.5)


def test_a_short_file_lies_in_silence(tmp_path: Path) -> None:
    found = heard(write(tmp_path / "short.wav", tone(440, 0.1, 44_100), 44_100))
    np.testing.assert_array_equal(found[:, [0, 1, -2, -1]], -80)
    assert found.max() > -10


def test_what_cannot_be_decoded_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    good = write(tmp_path / "ann" / "good.wav", tone(440, 1.0))
    write(tmp_path / "cut.flac", noise(1.0, 0))
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "empty.mp3").write_bytes(b"")
    write(tmp_path / "none.wav", np.zeros(0, np.float32))
    (tmp_path / "folder.wav").mkdir()
    write(tmp_path / "slow.wav", tone(440, 0.01), 100)
    write(tmp_path / "many.wav", np.zeros((10, 40), np.float32))
    for name, value in (("nan", np.nan), ("loud", 1e30)):
        soundfile.write(tmp_path / f"{name}.wav", np.full(9_000, value, np.float32), 8_000, subtype="FLOAT")
    table, rejected = audio_items(find_audio(tmp_path).files, CFG)
    assert table.schema.names == ["item_id", "artist_id", "log_mel"]
    assert table["artist_id"].to_pylist()[0] == "ann"
    np.testing.assert_array_equal(np.array(table["log_mel"][0].as_py(), np.float32).reshape(24, 20), heard(good))
    reasons = dict(rejected)
    # libsndfile may give the first half of what was cut off.
    assert {*table["item_id"].to_pylist()} <= {"ann/good.wav", "cut.flac"}
    assert reasons["none.wav"] == "it holds no sound"
    assert reasons["nan.wav"] == "it holds what is no number from -1,000,000 to 1,000,000"
    assert reasons["loud.wav"] == reasons["nan.wav"]
    assert reasons["slow.wav"] == "it has 100 samples a second, but must have 1000 to 768000"
    assert reasons["many.wav"] == "it has 40 channels, but may have 32"
    for name in ("text.wav", "empty.mp3"):
        assert reasons[name].startswith("it can't be decoded: ")
        assert str(tmp_path) not in reasons[name]
    with pytest.raises(AudioError, match="it can't be decoded"):
        read_excerpt(tmp_path / "nowhere.wav", CFG)


def test_no_file_at_all_is_an_empty_table() -> None:
    table, rejected = audio_items([], CFG)
    assert len(table) == 0
    assert not rejected
