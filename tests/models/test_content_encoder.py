"""The content encoder: vectors of length 1, from spectrograms and from plain numbers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from urep_jax.models import content_encoder
from urep_jax.models.content_encoder import ContentEncoderConfig

SPECTROGRAM = ContentEncoderConfig((20, 24), width=7, hidden=(4, 6))
NUMBERS = ContentEncoderConfig((9,), width=7, hidden=(8,))


@pytest.mark.parametrize("cfg", [SPECTROGRAM, NUMBERS])
def test_vectors_have_length_1_and_tracks_do_not_see_each_other(cfg: ContentEncoderConfig) -> None:
    params = content_encoder.init(jax.random.key(0), cfg)
    content = jax.random.normal(jax.random.key(1), (5, *cfg.shape))
    vectors = content_encoder.encode(params, content, cfg)
    np.testing.assert_allclose(jnp.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(content_encoder.encode(params, content[3:], cfg), vectors[3:], rtol=1e-4, atol=1e-6)
    assert np.unique(np.round(vectors, 4), axis=0).shape == (5, 7)


def test_scores_are_scaled_cosines() -> None:
    params = content_encoder.init(jax.random.key(0), NUMBERS)
    centre, context = (jax.random.normal(jax.random.key(i), (2, 3 + i, 7)) for i in range(2))
    found = content_encoder.score(params, centre, context)
    expected = [[[10 * np.dot(a, b) - 3 for b in context[n]] for a in centre[n]] for n in range(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("bands", "frames"), [(6, 8), (5, 7), (1, 2)])
def test_a_dense_layer_on_neighbourhoods_is_a_convolution(bands: int, frames: int) -> None:
    x = jax.random.normal(jax.random.key(0), (2, bands, frames, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 4))
    expected = jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    found = content_encoder.neighbourhoods(x) @ kernel.reshape(-1, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_papers_width_from_a_whole_spectrogram() -> None:
    """30 seconds in 96 bands, by shapes alone."""
    full = ContentEncoderConfig((96, 1_292), hidden=(32, 64, 128, 256))
    params = jax.eval_shape(partial(content_encoder.init, cfg=full), jax.random.key(0))
    content = jax.ShapeDtypeStruct((16, 96, 1_292), jnp.float32)
    assert jax.eval_shape(partial(content_encoder.encode, cfg=full), params, content).shape == (16, 80)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"shape": (2, 3, 4)}, r"shape is \(2, 3, 4\), but must be \(bands, frames\) or \(numbers,\)"),
        ({"width": 0}, "width is 0, but must be at least 1"),
        ({"hidden": ()}, r"hidden is \(\), but must hold at least one width"),
    ],
)
def test_sizes_out_of_range_are_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ContentEncoderConfig(**({"shape": (4,)} | change))  # type: ignore[arg-type]
