"""Floating-point operations of a training step, counted before anything is computed."""

import math
from collections.abc import Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from urep_jax.training.objective import Batch, Objective


def step_operations(objective: Objective, batch: Batch) -> int:
    r"""Operations of the matrix products in the loss of a batch and its gradient: two for each multiply-add.

    .. math:: \sum 2 B M N K \quad \text{over products of B matrices of M x K with B of K x N}

    They are read from the traced computation, nothing is compiled or run, so they are the same on every device. What is
    done number by number (activations, dropout, the optimiser) isn't counted, and a loop's body is counted once.

    Args:
        objective: what learns.
        batch: a batch, or `jax.ShapeDtypeStruct` in place of its arrays.
    """

    def loss(params: Any, batch: Batch, key: jax.Array) -> jax.Array:
        return objective.loss(params, batch, key)[0]

    key = jax.eval_shape(lambda: jax.random.key(0))
    traced = jax.make_jaxpr(jax.value_and_grad(loss))(jax.eval_shape(objective.init, key), batch, key)
    return sum(_operations(equation) for equation in _equations(traced.jaxpr))


def _equations(jaxpr: Jaxpr) -> Iterator[JaxprEqn]:
    """Those of a computation, and of all that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            if isinstance(value, ClosedJaxpr):
                yield from _equations(value.jaxpr)
            elif isinstance(value, Jaxpr):
                yield from _equations(value)


def _operations(equation: JaxprEqn) -> int:
    if equation.primitive.name != "dot_general":
        return 0
    (summed, _), _ = equation.params["dimension_numbers"]
    left: Any = equation.invars[0].aval
    out: Any = equation.outvars[0].aval
    return 2 * math.prod(out.shape) * math.prod(left.shape[axis] for axis in summed)
