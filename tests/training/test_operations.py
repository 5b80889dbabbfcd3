"""Operations of a step against the dense layers' own account."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

from urep_jax.data.labelled_pairs import PairBatch
from urep_jax.models.preference import PreferenceConfig
from urep_jax.training.objective import Objective
from urep_jax.training.operations import operations, step_operations
from urep_jax.training.preference import preference_objective


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_dense_layers_are_passed_forth_and_back(dropout: float) -> None:
    rows, users, items, width, hidden = 32, 7, 5, 6, 4
    shape: Any = jax.ShapeDtypeStruct
    vectors = (shape((rows, of), jnp.float32) for of in (users, items))
    batch = PairBatch(*vectors, *(shape((rows,), kind) for kind in (jnp.bool_, jnp.bool_, jnp.int32)))
    found = step_operations(preference_objective(PreferenceConfig(users, items, width, hidden, dropout)), batch)
    # The input layers' weights have a gradient, their inputs have none.
    first, later = 2 * (users + items) * width, 3 * (3 * width * hidden + hidden)
    assert found == 2 * rows * (first + later)


def test_a_function_is_counted_by_the_shapes_that_it_is_given() -> None:
    shape: Any = jax.ShapeDtypeStruct
    args = (shape((4, 5, 3), jnp.float32), shape((4, 3, 2), jnp.float32))
    assert operations(lambda x, w: jnp.tanh(x @ w), *args) == 2 * 4 * 5 * 3 * 2
    assert operations(jnp.add, *[args[0]] * 2) == 0


def test_what_is_called_within_is_counted_too() -> None:
    inner = jax.jit(lambda x, w: x @ w)
    objective = Objective(lambda key: jnp.zeros((3, 2)), lambda w, x, key: (inner(x, w).sum(), jnp.ones(())))
    assert step_operations(objective, jnp.zeros((5, 3))) == 2 * 2 * (5 * 3 * 2)
