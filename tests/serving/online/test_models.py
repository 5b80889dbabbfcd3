"""What is served: all that the lineage has as current, and nothing that it doesn't know."""

from typing import Any

import pytest

from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.state import Lineage
from urep_jax.serving.online import models
from urep_jax.serving.online.models import load_models, to_serve
from urep_jax.serving.preference import Preference
from urep_jax.serving.recommender import Recommender
from urep_jax.serving.user_encoder import UserEncoder

KINDS = {"users": UserEncoder, "future_listening": Preference, "recommender": Recommender}
RESTORES = {"users": "restore_encoder", "future_listening": "restore_preference", "recommender": "restore"}
USERS = Space("users-a")


def lineage(*spaces: Space) -> Lineage:
    found = Lineage(ModelGraph({space.name: tuple(parent.name for parent in space.parents) for space in spaces}))
    for space in spaces:
        found, _ = found.register(Batch.of(space, 1.0, f"run of {space.id}"))
    return found


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """By run, the id of the space that its folder holds."""
    holds = {f"run of {model}-a": f"{model}-a" for model in KINDS}

    def restore(model: str) -> Any:
        def restored(run: str, *_: str) -> Any:
            found = object.__new__(KINDS[model])
            found.__dict__["space"] = Space(holds[run])
            return found

        return restored

    for model, name in RESTORES.items():
        monkeypatch.setattr(models, name, restore(model))
    return holds


CHAIN = lineage(USERS, Space("future_listening-a", (USERS,)))
RECOMMENDERS = lineage(Space("recommender-a"))


def test_whatever_ranks_is_served_where_it_was_trained(folders: dict[str, Any]) -> None:
    loaded = load_models(to_serve(CHAIN, RECOMMENDERS))
    assert loaded.space_id == "users-a"
    assert loaded.ranker is not None
    assert loaded.ranker.space.id == "future_listening-a"
    assert loaded.recommender is not None
    assert loaded.recommender.space.id == "recommender-a"
    alone = load_models(to_serve(lineage(USERS)))
    assert alone.ranker is None
    assert alone.recommender is None
    with pytest.raises(Unknown, match="no batch of 'users' is current"):
        to_serve(Lineage(ModelGraph({"users": ()})), RECOMMENDERS)


@pytest.mark.parametrize("model", KINDS)
def test_a_folder_that_was_trained_again_is_not_served(folders: dict[str, Any], model: str) -> None:
    folders[f"run of {model}-a"] = f"{model}-b"
    says = f"run of {model}-a was registered with {model}-a, but holds {model}-b: it was trained again"
    with pytest.raises(ValueError, match=says):
        load_models(to_serve(CHAIN, RECOMMENDERS))
