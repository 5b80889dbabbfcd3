"""Which parameters learn: all of them, or in a growth only the table rows that have come in.

What doesn't learn has no part in the gradient's norm, and is put back after each step as it was: no optimiser's moments
or decay can move it, and it stays the same to the bit.

Source: Generalized User Representations, §4.4 ("a stable vector space").
"""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from urep_jax.training.objective import Params


def where_learnt(
    first_rows: Mapping[str, int] | None, changed: Params, before: Params, rows: Mapping[str, Int[Array, "_"]]
) -> Params:
    """`changed` where parameters learn, and `before` elsewhere.

    Args:
        first_rows: of each table that learns, the first row that does, and all after it do too; None: everything does.
        changed: parameters, or what is of their shapes.
        before: likewise.
        rows: which rows of a table these are, where they aren't all of them (`training.row_sparse`).

    Example:
        >>> new, old = ({"tables": {"item": jnp.full((3, 1), x)}, "body": {"w": x}} for x in (1.0, 0.0))
        >>> found = where_learnt({"item": 2}, new, old, {})
        >>> found["tables"]["item"].ravel().tolist(), found["body"]
        ([0.0, 0.0, 1.0], {'w': 0.0})
    """
    if first_rows is None:
        return changed

    def table(name: str, first: int) -> Float[Array, "R D"]:
        new_RxD, old_RxD = changed["tables"][name], before["tables"][name]
        row_R = rows.get(name, jnp.arange(len(new_RxD)))
        return jnp.where((row_R >= first)[:, None], new_RxD, old_RxD)

    return {**before, "tables": before["tables"] | {name: table(name, first) for name, first in first_rows.items()}}
