"""How a training's state lies on the devices: whole on each of them, or each with its own part of the tables' rows.

A table is cut evenly, so it is filled up with rows that nothing reads and that stay zeros. How many these are hangs on
the number of devices: what is cut, parameters that are validated and given back too, ends in them, and what comes to
the host whole doesn't.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from urep_jax.core.mesh import by_rows, replicated
from urep_jax.training.objective import Objective, Params, TrainState, initial_state
from urep_jax.training.row_sparse import leaf_tables

TableLayout = Literal["copies", "rows"]
"""`copies`: each device has whole tables; `rows`: each a part of their rows, and of the optimiser's state for them."""


class Layout(NamedTuple):
    """A layout on one mesh.

    Attributes:
        tables: how tables lie.
        whole: what learns.
        objective: the same, with tables that are filled up.
        state: shapes of the state, with how each leaf lies.
        rows: how many rows each table has that aren't only there to fill it up.
    """

    tables: TableLayout
    whole: Objective
    objective: Objective
    state: TrainState
    rows: Mapping[str, int]

    @property
    def shardings(self) -> TrainState:
        """How each leaf lies."""
        return jax.tree.map(lambda like: like.sharding, self.state)


def lay_out(
    objective: Objective, optimizer: optax.GradientTransformation, mesh: Mesh, tables: TableLayout = "copies"
) -> Layout:
    """Settle where everything lies.

    Args:
        objective: what learns.
        optimizer: an optax optimiser.
        mesh: the devices.
        tables: how tables lie.

    Raises:
        ValueError: if there is no such layout, or it is `rows` and there is no table, or one that can't be cut.
    """
    if tables not in get_args(TableLayout):
        raise ValueError(f"table_layout is {tables!r}, but must be one of {', '.join(get_args(TableLayout))}")
    key = jax.eval_shape(lambda: jax.random.key(0))
    like = jax.eval_shape(objective.init, key)
    rows = {name: len(table) for name, table in like["tables"].items()} if "tables" in like else {}
    whole, cut = objective, tables == "rows"
    if cut:
        if not rows:
            raise ValueError("table_layout is 'rows', but this model has no tables; set table_layout=copies")
        objective = _filled_up(objective, rows, mesh.size)
    state = jax.eval_shape(partial(initial_state, objective, optimizer), key)
    names = leaf_tables(optimizer, state, rows if cut else (), mend="set table_layout=copies")

    def laid(leaf: Any, name: str) -> jax.ShapeDtypeStruct:
        sharding = by_rows(mesh) if name else replicated(mesh)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return Layout(tables, whole, objective, jax.tree.map(laid, state, names), rows)


def fill_up(tree: Any, like: Any) -> Any:
    """Host arrays, with zeros after the rows of those that are to be longer."""

    def longer(x: Any, wanted: Any) -> np.ndarray:
        x = np.asarray(x)
        return np.pad(x, ((0, wanted.shape[0] - len(x)), *((0, 0) for _ in x.shape[1:]))) if x.ndim else x

    return jax.tree.map(longer, tree, like)


def cut_back(tree: Any, like: Any) -> Any:
    """Arrays without the rows that only fill them up."""
    return jax.tree.map(lambda x, wanted: x[: wanted.shape[0]] if x.ndim else x, tree, like)


def _filled_up(objective: Objective, rows: Mapping[str, int], multiple: int) -> Objective:
    def init(key: jax.Array) -> Params:
        params = objective.init(key)
        tables = {name: jnp.pad(x, ((0, -len(x) % multiple), (0, 0))) for name, x in params["tables"].items()}
        return params | {"tables": tables}

    def loss(params: Params, batch: Any, key: jax.Array) -> Any:
        # A loss that reads whole tables must not see what fills them up; one that reads rows never does.
        tables = {name: x[: rows[name]] for name, x in params["tables"].items()}
        return objective.loss(params | {"tables": tables}, batch, key)

    return objective._replace(init=init, loss=loss)
