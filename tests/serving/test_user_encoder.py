"""Vectors of users from a trained chain: one user's events give what the whole log gives."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest

from tests.data.user_features.listeners import NOW, log_of, modalities, tables
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.space import fit_space, load_space, save_space
from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.serving import user_encoder
from urep_jax.serving.events import events_of
from urep_jax.serving.restore import restore_encoder
from urep_jax.serving.user_encoder import UserEncoder

USERS = np.arange(24)
TIME = np.full(24, NOW)


def encoder_of(seed: int = 0) -> UserEncoder:
    space = fit_space(log_of(0), tables(0), modalities(), USERS, TIME, FeatureConfig(onboarding_days=400))
    cfg = AutoencoderConfig(space.width, 6, (16,))
    return UserEncoder(space, autoencoder.init(jax.random.key(seed), cfg), cfg)


def profile_of(user: int) -> dict[str, Any]:
    told = tables(0)
    users = {row.pop("user_id"): row for row in told["users"].to_pylist()}
    answers = {row.pop("user_id"): row for row in told["onboarding"].to_pylist()}
    answer = answers.get(f"user {user}", {})
    return {**users.get(f"user {user}", {}), "answered_at": answer.pop("timestamp", None), **answer}


def test_one_users_events_and_profile_give_what_the_log_gives() -> None:
    encoder, log = encoder_of(), log_of(0)
    inputs = encoder.features.read(log, tables(0))
    time = np.where(USERS % 2, NOW, NOW // 2)
    together = encoder.encode(inputs, USERS, time)
    assert together.ids.to_pylist() == [f"user {u}" for u in USERS]
    assert together.values.shape == (24, 6)
    for user in USERS:
        events = events_of(log, log.offsets[user], log.offsets[user + 1])
        alone = encoder.encode_user(events, profile_of(user), time=int(time[user]))
        np.testing.assert_allclose(alone.values, together.values[[user]], rtol=1e-4, atol=1e-5)
        assert together.cosine(alone)[user, 0] > 1 - 1e-5
    events = events_of(log, log.offsets[3], log.offsets[4])
    last = int(log.timestamp[log.offsets[4] - 1])
    now, then = encoder.encode_user(events).values, encoder.encode_user(events, time=last).values
    np.testing.assert_array_equal(now, encoder.encode_user(events, time=last + 1).values)
    assert (now != then).any(), "the last event counts"


def test_a_user_of_whom_nothing_is_known_has_a_vector() -> None:
    encoder = encoder_of()
    nothing = {"item_id": [], "feedback": [], "timestamp": []}
    np.testing.assert_array_equal(
        encoder.encode_user(nothing, time=NOW).values,
        encoder.encode_user({**nothing, "device": []}, {"age": None}, time=5).values,
    )
    assert len(encoder.encode(encoder.features.read(log_of(0)), USERS[:0], TIME[:0])) == 0


@pytest.mark.parametrize(
    ("events", "profile", "told"),
    [
        ({}, {"shoes": 44}, "the profile tells of 'shoes', but may tell of country, device, language, plan, age"),
        ({}, {"age": "old"}, "the profile's 'age' is 'old', but must be int32"),
        ({}, {"artists": ["artist 1"]}, "artists picked, but not when; give answered_at"),
        ({"timestamp": None}, {}, "the events have no 'timestamp', but users are made of when they listened"),
        ({"played_ratio": [3.0]}, {}, "'played_ratio' holds 3.0, but must hold numbers from 0 to 1"),
        ({"played_ratio": ["all"]}, {}, "'played_ratio' must hold numbers from 0 to 1"),
        (None, {}, "there are no events to take the time from"),
    ],
)
def test_what_cannot_be_read_is_told(events: dict[str, Any] | None, profile: dict[str, Any], told: str) -> None:
    given: dict[str, Any] = {"item_id": ["item 1"], "feedback": ["play"], "timestamp": [NOW]} | (events or {})
    given = {name: [] if events is None else value for name, value in given.items() if value is not None}
    with pytest.raises(ValueError, match=told):
        encoder_of().encode_user(given, profile)


def test_the_space_has_an_id_of_its_own(tmp_path: Path) -> None:
    encoder = encoder_of()
    save_space(encoder.features, tmp_path / "features")
    again = dataclasses.replace(encoder, features=load_space(tmp_path / "features"))
    assert again.space == encoder.space == encoder_of().space
    assert encoder.space.name == "users"
    assert encoder_of(1).space.id != encoder.space.id, "another training"
    space, first = encoder.features, encoder.features.modalities[0]
    assert [parent.id for parent in encoder.space.parents] == [one.space.id for one in space.modalities]
    moved = Modality.trained(first.name, first.item_ids, first.vectors + np.float32(1e-3))
    upstream = dataclasses.replace(space, modalities=(moved, *space.modalities[1:]))
    assert dataclasses.replace(encoder, features=upstream).space.id != encoder.space.id, "another space of items"
    grown = Modality(
        first.space, pa.array([*first.item_ids.to_pylist(), "new"]), np.pad(first.vectors, ((0, 1), (0, 0)))
    )
    downstream = dataclasses.replace(space, modalities=(grown, *space.modalities[1:]))
    assert dataclasses.replace(encoder, features=downstream).space == encoder.space, "more items in the same space"
    scaled = space.standardisation._replace(scale=space.standardisation.scale * np.float32(2))
    other = dataclasses.replace(space, standardisation=scaled)
    assert dataclasses.replace(encoder, features=other).space.id != encoder.space.id


def test_a_warm_encoder_compiles_nothing_more() -> None:
    encoder = encoder_of(7)
    user_encoder._encoded.clear_cache()
    encoder.warm(5)
    inputs, compiled = encoder.features.read(log_of(0), tables(0)), user_encoder._encoded._cache_size()
    for count in (1, 2, 3, 5, 8):
        encoder.encode(inputs, USERS[:count], TIME[:count])
    assert user_encoder._encoded._cache_size() == compiled
    encoder.encode(inputs, USERS[:9], TIME[:9])
    assert user_encoder._encoded._cache_size() == compiled + 1


def test_what_is_no_chain_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is no folder"):
        restore_encoder(tmp_path / "nowhere")
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match=r"holds a recommender, and no encoder of users; take urep_jax\.restore"):
        restore_encoder(tmp_path)
