"""Random streams: by name and by step, none disturbs another."""

import zlib

import jax
import numpy as np

from tests.logs import row_seeds
from urep_jax.core.streams import name_key, numpy_stream, row_uniform, stream


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


def test_a_rows_numbers_hang_on_nothing_in_other_rows() -> None:
    seed = row_seeds(0, 40)
    every = row_uniform(seed, "tasks", 300)
    some = np.array([39, 4, 17])
    np.testing.assert_array_equal(row_uniform(seed[some], "tasks", 20), every[some, -20:])


def test_rows_places_and_names_have_numbers_of_their_own() -> None:
    seed = row_seeds(1, 500)
    a, b = (row_uniform(seed, name, 400) for name in ("tasks", "turns"))
    assert len(np.unique(np.concatenate([a, b]))) == 2 * 500 * 400
    # Of uniform numbers, correlations of 200,000 pairs have a standard deviation of .0022.
    for one, other in ((a, b), (a[:, 1:], a[:, :-1]), (a[1:], a[:-1])):
        assert abs(np.corrcoef(one.reshape(-1), other.reshape(-1))[0, 1]) < 0.01
    # Neighbouring seeds, too, have nothing in common.
    near = row_uniform(np.arange(500, dtype=np.uint64), "tasks", 400)
    for numbers in (a, b, near):
        # 100 bins of 2,000: chi-square of 99 degrees, 66 to 139 in 998 of 1,000 times.
        counts = np.histogram(numbers, 100, (0, 1))[0]
        assert 60 < ((counts - 2000) ** 2 / 2000).sum() < 150
    assert abs(np.corrcoef(near[1:].reshape(-1), near[:-1].reshape(-1))[0, 1]) < 0.01


def test_the_generator_is_splitmix64() -> None:
    """Made with Python's integers, which give what is published for the seed 1234567."""
    word, gamma, finaliser = 1 << 64, 0x9E3779B97F4A7C15, ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))

    def mixed(bits: int) -> int:
        for shift, factor in finaliser:
            bits = (bits ^ bits >> shift) * factor % word
        return bits ^ bits >> 31

    # What is told of it elsewhere (Rosetta Code, "Pseudo-random numbers/Splitmix64").
    assert [mixed((1234567 + n * gamma) % word) for n in (1, 2)] == [6457827717110365317, 3203168211198807973]
    base = mixed(99 + zlib.crc32(b"tasks"))
    expected = [(mixed((base + n * gamma) % word) >> 11) / 2**53 for n in (5, 4, 3, 2, 1)]
    assert row_uniform(np.array([99], np.uint64), "tasks", 5)[0].tolist() == expected
