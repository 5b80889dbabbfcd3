"""Floating-point operations of a function, or of a training step, counted before anything is computed."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

from urep_jax.training.objective import Batch, Objective


def operations(function: Callable[..., Any], *args: Any) -> int:
    r"""Operations of the matrix products in a function: two for each multiply-add.

    .. math:: \sum 2 B M N K \quad \text{over products of B matrices of M x K with B of K x N}

    They are read from the traced computation, nothing is compiled or run, so they are the same on every device. What is
    done number by number (activations, dropout, an optimiser) isn't counted, and a loop's body is counted once.

    Args:
        function: of arrays.
        args: what it is called with, or `jax.ShapeDtypeStruct` in place of arrays.
    """
    traced = jax.make_jaxpr(function)(*args)
    return sum(_operations(equation) for equation in _equations(traced.jaxpr))


def step_operations(objective: Objective, batch: Batch) -> int:
    """Operations of the loss of a batch and its gradient, as `operations` counts them.

    Args:
        objective: what learns.
        batch: a batch, or `jax.ShapeDtypeStruct` in place of its arrays.
    """

    def loss(params: Any, batch: Batch, key: jax.Array) -> jax.Array:
        return objective.loss(params, batch, key)[0]

    key = jax.eval_shape(lambda: jax.random.key(0))
    return operations(jax.value_and_grad(loss), jax.eval_shape(objective.init, key), batch, key)


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
