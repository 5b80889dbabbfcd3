"""Parameters refuse what makes no sense, and one program serves all their values."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.simulation.satisfaction.worlds import DEFAULT, midway, step_many, world
from urep_jax.simulation.satisfaction import ItemParams, SatisfactionParams, step
from urep_jax.simulation.satisfaction.params import LONG_TERM


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory": 1.0}, "memory is 1.0, but must lie between 0 and 0.9999; set it within"),
        ({"nourishment": -0.1}, "nourishment is -0.1, but must lie between 0 and inf; set it within"),
        ({"sensitivity": float("nan")}, "sensitivity is nan, but must lie between 0 and inf"),
        ({"best_repeats": 0}, "best_repeats is 0, but must lie between 1e-06 and inf"),
        ({"leave": 1.5}, "leave is 1.5, but must lie between 0 and 1"),
        ({"skip": -101}, "skip is -101, but must lie between -100 and 100"),
        ({"weeks": 0.0}, "weeks is 0.0, but must lie between 0.001 and 1000"),
        ({"most_items": 0}, "most_items is 0, but must lie between 1 and inf"),
    ],
)
def test_errors_name_the_value_the_rule_and_the_mend(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        dataclasses.replace(DEFAULT, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"empty": 1.1}, "empty is 1.1, but must lie between 0 and 1; set it within"),
        ({"content_noise": -1.0}, "content_noise is -1.0, but must lie between 0 and inf"),
        ({"history": 0}, "history is 0, but must lie between 1 and inf"),
    ],
)
def test_errors_of_items_do_so_too(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ItemParams(**change)


def test_every_number_has_a_range():
    for field in dataclasses.fields(SatisfactionParams):
        with pytest.raises(ValueError, match=f"^{field.name} is nan"):
            dataclasses.replace(DEFAULT, **{field.name: float("nan")})


def test_without_the_long_term_only_that_is_off():
    without = DEFAULT.without_the_long_term()
    for field in dataclasses.fields(DEFAULT):
        expected = 0 if field.name in LONG_TERM else getattr(DEFAULT, field.name)
        assert getattr(without, field.name) == expected, field.name


def test_a_pytree_of_its_fields():
    paths, _ = jax.tree_util.tree_flatten_with_path(DEFAULT)
    named = {jax.tree_util.keystr(path): value for path, value in paths}
    assert named == {f".{name}": value for name, value in dataclasses.asdict(DEFAULT).items()}
    assert jax.tree.map(lambda value: value, DEFAULT) == DEFAULT


def test_whole_numbers_are_no_program_of_their_own():
    whole = dataclasses.replace(DEFAULT, memory=0, satiation=2)
    assert (whole.memory, whole.satiation) == (0, 2)
    assert jax.eval_shape(lambda params: params, whole) == jax.eval_shape(lambda params: params, DEFAULT)


def test_a_sweep_is_one_program_and_equals_one_by_one():
    sweep = [dataclasses.replace(DEFAULT, memory=memory) for memory in (0.0, 0.5, 0.9)]
    together = jax.tree.map(lambda *values: jnp.array(values), *sweep)
    key, slate = jax.random.key(2), jnp.arange(6)
    at_once = jax.jit(jax.vmap(step, (None, None, None, None, 0)))(key, midway(), slate, world(), together)
    for place, params in enumerate(sweep):
        alone = step_many(jnp.broadcast_to(key, (2048,)), midway(), slate, world(), params)
        for mine, theirs in zip(jax.tree.leaves(at_once), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(mine[place], theirs[0], rtol=1e-5, atol=1e-6)
    assert len(set(np.asarray(at_once[1].exposure).tolist())) == len(sweep)
