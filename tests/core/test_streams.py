"""Random streams: by name and by step, none disturbs another."""

import jax
import numpy as np

from urep_jax.core.streams import name_key, numpy_stream, stream


def bits(key: jax.Array) -> tuple[int, ...]:
    """The key's data, to be compared."""
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def test_seed_name_and_step_each_make_another_stream() -> None:
    keys = [bits(stream(seed, name, step)) for seed in (0, 1) for name in ("init", "dropout") for step in (0, 1, 2)]
    assert len(set(keys)) == len(keys)
    assert bits(stream(0, "init", 1)) == bits(stream(0, "init", 1))


def test_a_step_may_be_traced() -> None:
    traced = jax.jit(lambda step: jax.random.key_data(stream(3, "step", step)))(5)
    np.testing.assert_array_equal(traced, jax.random.key_data(stream(3, "step", 5)))


def test_streams_on_the_host_do_not_overlap() -> None:
    draws = [
        numpy_stream(*args).integers(1 << 62, size=1000)
        for args in ((0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0))
    ]
    assert len(np.unique(np.concatenate(draws))) == 4000
    np.testing.assert_array_equal(draws[1], numpy_stream(0, "a", 1).integers(1 << 62, size=1000))


def test_no_key_stays_no_key() -> None:
    assert name_key(None, "dropout") is None
    assert bits(name_key(jax.random.key(0), "a")) != bits(name_key(jax.random.key(0), "b"))
