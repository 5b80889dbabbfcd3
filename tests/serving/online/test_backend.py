"""What the service answers from stores and models, and how it goes from one space to the next."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.data.user_features.listeners import NOW, log_of, modalities, tables
from tests.serving.online.chain import CHAIN, deployed, register, train, until, working
from urep_jax.data.user_features.modality import Modality
from urep_jax.lineage.errors import StillRead
from urep_jax.serving.http.backend import NotReady, Refused
from urep_jax.serving.online.backend import OnlineBackend
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.from_log import additions_of
from urep_jax.serving.online.messages import Event, Profile, message_of
from urep_jax.serving.online.parts import StoredVector
from urep_jax.serving.online.states import StateEncoder
from urep_jax.serving.user_encoder import UserEncoder

CATEGORIES = ("country", "device", "language", "plan")


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """The listeners are known, and an encoder is trained."""
    found = deployed(tmp_path)
    stream, store = found.open()
    with contextlib.closing(stream), contextlib.closing(store):
        store.add(list(additions_of(log_of(0), tables(0), CATEGORIES)))
    return found


@pytest.fixture
def encoder(deployment: Deployment, tmp_path: Path) -> UserEncoder:
    found = train(tmp_path / "run 0")
    register(deployment.lineages, found, tmp_path / "run 0")
    return found


@pytest.fixture
def backend(deployment: Deployment, encoder: UserEncoder) -> Iterator[OnlineBackend]:
    with contextlib.closing(OnlineBackend(deployment)) as found, working(deployment):
        until(found.follow)
        yield found


def vector_of(backend: OnlineBackend, user_id: str) -> StoredVector | None:
    return backend.vectors([user_id]).vectors[0]


def test_nothing_is_answered_before_users_are_encoded(deployment: Deployment, encoder: UserEncoder) -> None:
    with contextlib.closing(OnlineBackend(deployment)) as backend:
        assert not backend.follow()
        assert backend.ready() == "users are being encoded for the first time"
        with pytest.raises(NotReady, match="users are being encoded for the first time; ask again in a moment"):
            backend.vectors(["user 3"])
        with working(deployment):
            until(backend.follow)
        assert backend.ready() is None


def test_users_of_the_log_have_the_vectors_that_it_gives(backend: OnlineBackend, encoder: UserEncoder) -> None:
    found = backend.vectors([f"user {u}" for u in range(1, 20)])
    assert found.spaces == encoder.space.ids
    assert next(iter(found.spaces)) == "users"
    stored = [vector for vector in found.vectors if vector is not None]
    assert len(stored) == 19
    as_of = np.array([vector.as_of for vector in stored])
    expected = encoder.encode(encoder.features.read(log_of(0), tables(0)), np.arange(1, 20), as_of)
    np.testing.assert_allclose(np.stack([vector.values for vector in stored]), expected.values, atol=1e-5)
    assert vector_of(backend, "nobody") is None


def test_who_is_near_is_who_has_the_largest_cosine(backend: OnlineBackend) -> None:
    others = [f"user {u}" for u in range(1, 20)]
    vectors = {one.user_id: one.values for one in backend.vectors(others).vectors if one is not None}
    own = vectors["user 3"]

    def cosine(other: str) -> float:
        return float(vectors[other] @ own / np.linalg.norm(vectors[other]) / np.linalg.norm(own))

    found = backend.nearest_users("user 3", 100)
    assert found is not None
    near = {one.id: one.score for one in found.near}
    assert "user 3" not in near
    for other in vectors.keys() - {"user 3"}:
        assert near[other] == pytest.approx(cosine(other), abs=1e-5)
    scores = [one.score for one in found.near]
    assert scores == sorted(scores, reverse=True)
    few = backend.nearest_users("user 3", 2)
    assert few is not None
    assert [one.id for one in few.near] == [one.id for one in found.near[:2]]
    assert backend.nearest_users("nobody", 2) is None


def test_tracks_are_near_in_a_modality(backend: OnlineBackend) -> None:
    (plays, sound) = modalities()
    found = backend.nearest_tracks("item 4", None, 3)
    assert found is not None
    assert found.space_id == plays.space.id
    assert len(found.near) == 3
    # Item 11 has no vector of plays, item 0 none of sound.
    other = backend.nearest_tracks("item 11", None, 1)
    assert other is not None
    assert other.space_id == sound.space.id
    assert backend.nearest_tracks("item 0", "audio", 1) is None
    with pytest.raises(Refused, match="modality is 'smell', but must be one of collaborative, audio"):
        backend.nearest_tracks("item 4", "smell", 1)


def test_the_portrait_tells_how_the_vector_moved(
    backend: OnlineBackend, encoder: UserEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody's events are read once for each moment.
    monkeypatch.setattr(StateEncoder, "encode", None)
    user = backend.user("user 3")
    assert user is not None
    log = log_of(0)
    own = slice(int(log.offsets[3]), int(log.offsets[4]))
    assert user.events == own.stop - own.start
    assert user.recent[0].item_id == log.item_ids[int(log.item[own][-1])].as_py()
    assert [one.timestamp for one in user.recent] == sorted((one.timestamp for one in user.recent), reverse=True)
    moves = user.moves[::-1]
    moments = np.array([move.as_of for move in moves])
    z = encoder.encode(encoder.features.read(log, tables(0)), np.full(len(moments), 3), moments)
    cosines = z.cosine(z)
    np.testing.assert_allclose([move.latest for move in moves], cosines[:, -1], atol=1e-4)
    np.testing.assert_allclose([move.before for move in moves[1:]], np.diag(cosines, -1), atol=1e-4)
    assert moves[0].before is None
    assert len(user.near) == min(10, len(encoder.features.artists[0].item_ids))
    assert backend.user("nobody") is None


def test_what_can_be_told_hangs_on_the_chain(backend: OnlineBackend) -> None:
    profile = Profile(user_id="x", told_at=1, categories={"country": "SE", "shoes": "44"})
    assert backend.check(profile) == "categories tell of shoes, but may tell of country, device, language, plan"
    assert backend.check(Profile(user_id="x", told_at=1, categories={"country": "SE"})) is None
    with pytest.raises(Refused, match="by is None, but must be one of none: nothing that ranks is trained"):
        backend.rank("user 3", ["item 1"], None, None)


def test_what_could_not_be_used_is_told_until_the_user_is_forgotten(backend: OnlineBackend) -> None:
    far = 1 << 39
    backend.accept([message_of(Event(user_id=user, item_id="item 3", timestamp=far, feedback="up")) for user in "ab"])
    until(lambda: backend.status().dead == 2)
    first, second = backend.dead(9)
    assert {first.message.user_id, second.message.user_id} == {"a", "b"}
    assert first.reason.startswith(f"its timestamp is {far}, too far after the moment at which it was accepted")
    assert len(backend.dead(1)) == 1
    backend.forget("a")
    assert [one.message.user_id for one in backend.dead(9)] == ["b"]


def test_a_forgotten_user_is_nobodys_neighbour(backend: OnlineBackend, deployment: Deployment) -> None:
    def near() -> set[str]:
        found = backend.nearest_users("user 3", 100)
        assert found is not None
        return {one.id for one in found.near}

    assert "user 5" in near()
    assert backend.forget("user 5")
    assert "user 5" not in near()
    assert vector_of(backend, "user 5") is None
    assert backend.user("user 5") is None
    assert not backend.forget("user 5")
    files = [path for path in deployment.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"user 5\x00" in path.read_bytes()]
    backend.accept([message_of(Event(user_id="user 5", item_id="item 3", timestamp=NOW, feedback="play"))])
    until(lambda: vector_of(backend, "user 5") is not None)


def test_a_service_goes_on_in_the_old_space_until_everybody_is_in_the_new_one(
    backend: OnlineBackend, deployment: Deployment, encoder: UserEncoder, tmp_path: Path
) -> None:
    lineages = deployment.lineages
    first, second = modalities()
    moved = Modality.trained(first.name, first.item_ids, first.vectors[::-1].copy())
    new = train(tmp_path / "run 1", seed=1, of=(moved, second))
    register(lineages, new, tmp_path / "run 1")
    lineages.rotate(CHAIN, [moved.space.id])
    backend.follow()
    assert backend.vectors(["user 3"]).spaces == encoder.space.ids, "users read what is legacy now"
    lineages.rotate(CHAIN, [new.space.id])
    until(lambda: backend.follow() and backend.vectors([]).spaces == new.space.ids)
    after = vector_of(backend, "user 3")
    assert after is not None
    assert after.space_id == new.space.id
    log = log_of(0)
    expected = new.encode(new.features.read(log, tables(0)), np.array([3]), np.array([after.as_of]))
    np.testing.assert_allclose(after.values, expected.values[0], atol=1e-5)
    # The old space's vectors go once nobody answers from them.
    _, store = deployment.open()
    with contextlib.closing(store):
        until(lambda: store.count(encoder.space.id) == 0)
    # What is served can't be dropped, and who serves it is named.
    third = Modality.trained(first.name, first.item_ids, first.vectors * np.float32(2))
    newer = train(tmp_path / "run 2", seed=2, of=(third, second))
    newest = train(tmp_path / "run 3", seed=3, of=(third, second))
    register(lineages, newer, tmp_path / "run 2")
    register(lineages, newest, tmp_path / "run 3")
    lineages.rotate(CHAIN, [third.space.id, newer.space.id])
    with pytest.raises(StillRead, match=r"reader '(service|worker):.* reads .*, which would be dropped"):
        lineages.rotate(CHAIN, [newest.space.id])
