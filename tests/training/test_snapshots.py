"""Snapshots of whatever a training carries."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.training.snapshots import Snapshots


def test_the_latest_snapshot_comes_back_as_it_was(tmp_path: Path) -> None:
    def state(number: int) -> dict[str, jax.Array]:
        return {"x": jnp.arange(3) + number, "flag": jnp.array([True, False]), "y": jnp.float32(number)}

    with Snapshots(tmp_path / "agent", {"updates": 2}) as snapshots:
        assert snapshots.latest == 0
        for step in (1, 2):
            snapshots.save(step, state(step))
    with Snapshots(tmp_path / "agent", {"updates": 2}) as snapshots:
        assert snapshots.latest == 2
        jax.tree.map(np.testing.assert_array_equal, snapshots.restore(state(0)), state(2))
    assert [path.name for path in (tmp_path / "agent").iterdir() if path.name.isdigit()] == ["2"], "one is enough"
