"""What is known of items on one scale."""

import json

import numpy as np

from urep_jax.data.content_scale import content_scale, fit_content_scale


def test_numbers_are_each_of_their_own_scale_and_a_spectrogram_is_of_one() -> None:
    content = np.random.default_rng(0).normal([1, 20, -3], [1, 5, 0], (500, 3)).astype(np.float32)
    scale = fit_content_scale(content)
    np.testing.assert_allclose(scale.mean, content.mean(axis=0))
    np.testing.assert_allclose(scale.spread, np.maximum(content.std(axis=0), 1e-6))
    scaled = scale(content)
    np.testing.assert_allclose(scaled[:, :2].std(axis=0), 1, rtol=1e-4)
    assert np.isfinite(scaled).all(), "what doesn't vary is no reason to divide by 0"

    spectrograms = content.reshape(-1, 5, 3)
    of_all = fit_content_scale(spectrograms)
    np.testing.assert_allclose(of_all(spectrograms), (spectrograms - content.mean()) / content.std(), rtol=1e-4)


def test_it_comes_back_from_json_to_the_bit() -> None:
    for shape in ((50, 7), (50, 4, 6)):
        content = np.random.default_rng(1).normal(0.1, 0.3, shape).astype(np.float32)
        scale = fit_content_scale(content)
        again = content_scale(json.loads(json.dumps(scale.plain())))
        for one, other in zip(scale, again, strict=True):
            assert one.dtype == other.dtype == np.float32
            np.testing.assert_array_equal(one, other)
