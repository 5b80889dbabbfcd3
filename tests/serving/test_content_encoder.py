"""A content encoder, ready to call."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from urep_jax.data.audio.spectrogram import SpectrogramConfig
from urep_jax.data.content_scale import ContentScale
from urep_jax.models import content_encoder
from urep_jax.models.content_encoder import ContentEncoderConfig
from urep_jax.serving import content_encoder as serving
from urep_jax.serving.content_encoder import ContentEncoder

SOUND = SpectrogramConfig(bands=6, frames=8, sample_rate=8_000, window=256, hop=128)
CFG = ContentEncoderConfig((6, 8), width=5, hidden=(3,))


def encoder_of(**change: Any) -> ContentEncoder:
    params = content_encoder.init(jax.random.key(0), CFG)
    scale = ContentScale(np.array(-30, np.float32), np.array(20, np.float32))
    return dataclasses.replace(ContentEncoder("audio", params, CFG, scale, SOUND), **change)


def test_vectors_are_of_what_is_on_its_scale_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_PORTION", 4)
    encoder = encoder_of()
    content = np.random.default_rng(0).normal(-30, 20, (11, 6, 8)).astype(np.float32)
    expected = content_encoder.encode(encoder.params, jnp.asarray((content + 30) / 20), CFG)
    ids = pa.array([f"item {i}" for i in range(11)])
    found = encoder.encode(ids, content)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)
    assert found.ids == ids
    assert found.space == encoder.space
    assert encoder.encode(ids[:0], content[:0]).values.shape == (0, 5)


def test_its_space_hangs_on_all_that_decides_what_comes_out() -> None:
    encoder = encoder_of()
    params = dict(encoder.params, bias=jnp.array(7.0))
    assert encoder_of(params=params).space.id == encoder.space.id, "what only training reads plays no role"
    others = [
        encoder_of(name="sound"),
        encoder_of(params=content_encoder.init(jax.random.key(1), CFG)),
        encoder_of(scale=encoder.scale._replace(spread=np.array(21, np.float32))),
        encoder_of(sound=dataclasses.replace(SOUND, hop=64)),
        encoder_of(sound=None),
    ]
    assert len({encoder.space.id, *(other.space.id for other in others)}) == 6


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ValueError, match=r"audio reads \[6, 8\] of each item, but was given \[8, 6\]"):
        encoder_of().encode(pa.array(["a", "b", "c"]), np.zeros((3, 8, 6), np.float32))
    with pytest.raises(ValueError, match=r"shape is \[6, 8\], but sound makes spectrograms of 6 bands and 9 frames"):
        encoder_of(sound=dataclasses.replace(SOUND, frames=9))
