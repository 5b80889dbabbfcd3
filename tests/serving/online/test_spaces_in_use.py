"""Spaces that a worker encodes in: what the lineage has in use, from where it lies now."""

from pathlib import Path
from typing import Any

import pytest

from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.graph import ModelGraph
from urep_jax.serving.online import work
from urep_jax.serving.online.deployment import Deployment


def test_a_space_that_has_grown_is_taken_up_from_its_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = Deployment(tmp_path / "lineage.sqlite", "users", None, tmp_path / "parts")
    lineages = deployment.lineages
    lineages.declare("users", ModelGraph({"users": ()}))
    loaded: list[str] = []

    def load(run: str, space_id: str, most: int) -> str:
        loaded.append(run)
        return run

    monkeypatch.setattr(work, "load_warm", load)
    stream, store = deployment.open()
    spaces = work.Spaces(deployment, store, fills=False, most=1)
    encoders: dict[str, Any] = spaces.encoders
    for run in ("trained", "trained", "grown"):
        lineages.register("users", Batch.of(Space("users-aa"), trained_at=7, run=run))
        spaces.look()
        assert encoders == {"users-aa": run}
    assert loaded == ["trained", "grown"], "nothing is loaded twice"
    spaces.close()
    store.close()
    stream.close()
