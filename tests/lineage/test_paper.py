"""The six aspects of batch management, each by its name; Generalized User Representations, §4.4."""

import numpy as np
import pyarrow as pa
import pytest

from tests.lineage.chains import CHAIN, DAY, batch, began, ids, registered, whole
from urep_jax.core.spaces import Space, SpaceMismatch, trained_space
from urep_jax.core.vectors import Vectors
from urep_jax.lineage.batch import Batch, Reader
from urep_jax.lineage.errors import Mixed, Stale, StillServes
from urep_jax.lineage.state import Lineage


def test_batch_identification() -> None:
    """A retraining is a batch of its own, which an id tells from all others."""
    first, second = (trained_space("audio", [np.full(2, value)]) for value in (1.0, 2.0))
    lineage = registered(Lineage(CHAIN), Batch.of(first, 0, "runs/1"), Batch.of(second, 9, "runs/2"))
    assert lineage.current["audio"] == Batch("audio", first.id, {}, 0, "runs/1")
    assert lineage.trained == {second.id: Batch("audio", second.id, {}, 9, "runs/2")}
    # The same encoder, trained again to the bit, is the same batch.
    again, event = lineage.register(Batch.of(trained_space("audio", [np.full(2, 2.0)]), 10, "runs/3"))
    assert event is not None
    assert event.action == "refresh"
    assert again.trained == {second.id: Batch("audio", second.id, {}, 10, "runs/3")}


def test_synchronization() -> None:
    """What becomes current was trained on what is current upstream."""
    lineage = registered(began(), *whole(2))
    with pytest.raises(Stale, match=r"users-2 was trained on collaborative-2, but collaborative-1 is current: retrain"):
        lineage.rotate(["users-2"], 0)
    together, _ = lineage.rotate(["listening-2", "users-2", "audio-2", "collaborative-2"], 0)
    for one in together.current.values():
        assert {together.current[parent].space_id for parent in CHAIN.parents[one.model]} == set(one.parents.values())
    assert ids(together.legacy) == {"collaborative-1", "audio-1", "users-1", "listening-1"}


def test_upstream_retrains() -> None:
    """When an upstream model was retrained, everything downstream is due, and nothing else."""
    lineage, _ = registered(began(), batch("audio-2", at=DAY)).rotate(["audio-2"], DAY)
    due = {one.model: one.reasons for one in lineage.due(DAY)}
    assert due == {
        "users": ("reads audio-1, and audio-2 is current",),
        "listening": ("reads audio-1, and audio-2 is current", "after users"),
    }
    # Before they have retrained, audio can't go a batch further: the one that they serve with would be lost.
    ahead = registered(lineage, batch("audio-3"))
    with pytest.raises(StillServes, match=r"users-1 is current and reads audio-1.* retrain 'users' first"):
        ahead.rotate(["audio-3"], DAY)
    users, _ = registered(ahead, batch("users-2", "collaborative-1", "audio-2")).rotate(["users-2"], DAY)
    assert [one.model for one in users.due(DAY)] == ["listening"]
    listening = batch("listening-2", "users-2", "collaborative-1", "audio-2")
    done, _ = registered(users, listening).rotate(["listening-2"], DAY)
    assert not done.due(DAY)
    assert done.rotate(["audio-3"], DAY)[0].current["audio"].space_id == "audio-3"


def test_consistent_comparisons() -> None:
    """What is compared comes of one batch of each model upstream."""
    lineage, _ = registered(began(), batch("audio-2"), batch("users-2", "collaborative-1", "audio-2")).rotate(
        ["audio-2", "users-2"], 0
    )
    sound = Space("audio-2")
    users, listening = (lineage.serving(model) for model in ("users", "listening"))
    assert users.spaces["users"] == "users-2"
    assert listening.spaces["users"] == "users-1"
    one, other = (
        Vectors(pa.array(["ann"]), np.ones((1, 2), np.float32), Space(serving.spaces["users"], parents))
        for serving, parents in ((users, (sound,)), (listening, ()))
    )
    with pytest.raises(SpaceMismatch, match="users-2 and of users-1"):
        one.cosine(other)
    # Nor may one model read two batches of another, here users-1 on audio-1 beside audio-2.
    mixed = batch("listening-2", "users-1", "collaborative-1", "audio-2")
    before, _ = registered(began(), batch("audio-2"), mixed).rotate(["audio-2"], 0)
    with pytest.raises(Mixed, match="listening-2 would read both audio-1 and audio-2"):
        before.rotate(["listening-2"], 0)
    # Nor may one who reads several.
    with pytest.raises(SpaceMismatch, match="audio-1 and users-2 would read both audio-1 and audio-2"):
        lineage.read(Reader("nightly", frozenset({"users-2", "audio-1"}), until=1))


def test_training_and_inference() -> None:
    """A model is used with what it was trained on, wherever that is by now."""
    lineage = began()
    read = dict(lineage.serving("listening").spaces)
    for new in (batch("audio-2"), batch("users-2", "collaborative-1", "audio-2")):
        lineage, _ = registered(lineage, new).rotate([new.space_id], 0)
        assert lineage.serving("listening").spaces == read
    assert read == {one.model: one.space_id for one in whole(1)}


def test_continuous_production() -> None:
    """From the first training on there is something to use at every moment, retrainings and rollbacks or not."""
    lineage = began()
    for number in (2, 3, 4):
        for one in whole(number, at=number * DAY):
            before = {model: lineage.serving(model) for model in CHAIN.order}
            lineage, _ = lineage.register(one)
            assert {model: lineage.serving(model) for model in CHAIN.order} == before
            lineage, _ = lineage.rotate([one.space_id], now=0)
            now = {model: lineage.serving(model) for model in CHAIN.order}
            assert {model for model in CHAIN.order if now[model] != before[model]} == {one.model}
            assert len(lineage.current) == 4
            assert len(lineage.legacy) <= 4
    back, _ = lineage.rollback("collaborative")
    assert {model: back.serving(model).batch.space_id for model in CHAIN.order} == {
        "collaborative": "collaborative-3",
        # It was trained on audio-4 too, so it serves on; what it reads of collaborative is legacy.
        "audio": "audio-4",
        "users": "users-4",
        "listening": "listening-4",
    }
    assert back.serving("users").spaces["collaborative"] == "collaborative-4"
