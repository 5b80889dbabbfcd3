"""What processes that read a part each have together."""

import jax
import numpy as np

from urep_jax.core.mesh import Part
from urep_jax.data.epochs import BatchesByStep


def assert_parts_make_the_whole(batches: BatchesByStep, of: int) -> None:
    """All batches of two epochs, read in parts by two processes, whose runs lie between each other."""
    parts = [part for part in (Part(tuple(range(p, of, 2)), of) for p in (0, 1)) if part.runs]
    for step in range(2 * batches.steps_per_epoch):
        every, *apart = jax.tree.leaves(batches[step]), *(jax.tree.leaves(batches.read(step, part)) for part in parts)
        for x, *own in zip(every, *apart, strict=True):
            for part, y in zip(parts, own, strict=True):
                np.testing.assert_array_equal(y, x[part.rows(len(x))])
