"""Spectrograms in closed form, and of what is short or silent."""

import dataclasses

import numpy as np
import pytest

from tests.data.audio.sounds import noise, tone
from urep_jax.core import extras
from urep_jax.core.extras import ExtraMissing
from urep_jax.data.audio import extra
from urep_jax.data.audio.spectrogram import SpectrogramConfig, log_mel

CFG = SpectrogramConfig(bands=24, frames=9, sample_rate=8_000, window=512, hop=256)


def hz(mel: np.ndarray) -> np.ndarray:
    """Slaney's mel scale, backwards."""
    return np.where(mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27))


def triangles(cfg: SpectrogramConfig) -> np.ndarray:
    """The weight of each frequency of the transform in each band."""
    top = 15 + 27 * np.log(cfg.sample_rate / 2 / 1000) / np.log(6.4)
    edge = hz(np.linspace(0, top, cfg.bands + 2))
    frequency = np.arange(cfg.window // 2 + 1) * cfg.sample_rate / cfg.window
    below, middle, above = edge[:-2, None], edge[1:-1, None], edge[2:, None]
    return np.clip(np.minimum((frequency - below) / (middle - below), (above - frequency) / (above - middle)), 0, None)


@pytest.mark.parametrize("place", [10, 33, 64, 150, 240])
@pytest.mark.parametrize("amplitude", [1.0, 0.1])
def test_a_tone_lies_in_its_band(place: int, amplitude: float) -> None:
    """A Hann window turns a sine at a frequency of the transform into three lines, of power 1/4, 1 and 1/4."""
    samples = tone(place * CFG.sample_rate / CFG.window, 2.0, CFG.sample_rate, amplitude)
    found = log_mel(samples, CFG)
    lines = triangles(CFG)[:, place - 1 : place + 2] @ np.array([0.25, 1, 0.25])
    expected = 10 * np.log10(np.maximum(amplitude**2 * lines, 1e-8))
    assert found.shape == (24, 9)
    np.testing.assert_allclose(found, np.broadcast_to(expected[:, None], found.shape), atol=0.05)
    assert -80 <= found.min() < found.max() < 2


def test_silence_is_the_floor() -> None:
    np.testing.assert_array_equal(log_mel(np.zeros(10_000, np.float32), CFG), np.full((24, 9), -80, np.float32))
    np.testing.assert_array_equal(log_mel(np.zeros(0, np.float32), CFG), np.full((24, 9), -80, np.float32))


def test_ten_times_as_soft_is_20_db_less() -> None:
    samples = noise(1.0, 0, CFG.sample_rate)
    np.testing.assert_allclose(log_mel(samples, CFG) - log_mel(samples / 10, CFG), 20, atol=1e-3)


def test_the_middle_is_heard() -> None:
    samples = noise(3.0, 0, CFG.sample_rate)
    assert CFG.samples == 512 + 8 * 256
    first = (len(samples) - CFG.samples) // 2
    excerpt = samples[first : first + CFG.samples]
    np.testing.assert_array_equal(log_mel(samples, CFG), log_mel(excerpt, CFG))
    samples[:first], samples[first + CFG.samples :] = 0.9, -0.9
    np.testing.assert_array_equal(log_mel(samples, CFG), log_mel(excerpt, CFG))


def test_a_short_sound_lies_in_the_middle_of_silence() -> None:
    found = log_mel(noise(512 / 8_000, 0, CFG.sample_rate), CFG)
    np.testing.assert_array_equal(found[:, [0, 1, 2, 6, 7, 8]], -80)
    assert found[:, 3:6].min() > -60


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bands": 0}, "bands is 0, but must be at least 1"),
        ({"frames": 0}, "frames is 0, but must be at least 1"),
        ({"hop": -1}, "hop is -1, but must be at least 1"),
        ({"window": 2}, "window is 2, but must be at least 4 samples"),
        ({"window": 40}, "bands is 24, but a window of 40 samples at 8000 a second tells only 22 apart; lower bands"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        dataclasses.replace(CFG, **change)


@pytest.mark.parametrize("window", [64, 100, 512])
@pytest.mark.parametrize("rate", [1_600, 8_000, 44_100])
def test_as_many_bands_as_are_allowed_hold_something_each(window: int, rate: int) -> None:
    bands = 0
    while True:
        try:
            cfg = SpectrogramConfig(bands + 1, 2, rate, window, window)
        except ValueError:
            break
        bands += 1
        assert (triangles_of(cfg).max(axis=1) > 0).all()
    assert bands


def triangles_of(cfg: SpectrogramConfig) -> np.ndarray:
    return extra.librosa().filters.mel(sr=cfg.sample_rate, n_fft=cfg.window, n_mels=cfg.bands, norm=None)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ExtraMissing, match=r"read with librosa.*No module named.*pip install -e '\.\[audio\]'"):
        log_mel(np.zeros(10, np.float32), CFG)
