"""Spaces, and vectors that carry theirs."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urep_jax.core.spaces import Space, SpaceMismatch, refuse_mixed, space_of, text_arrays, trained_space
from urep_jax.core.vectors import Vectors, join

SOUND, OTHER_SOUND, PLAYS = Space("audio-aa"), Space("audio-bb"), Space("plays-cc")
USERS = Space("users-dd", (SOUND, PLAYS))


def vectors(space: Space, rows: int = 3, seed: int = 0) -> Vectors:
    values = np.random.default_rng(seed).normal(size=(rows, 4)).astype(np.float32)
    return Vectors(pa.array([f"user {i}" for i in range(rows)], pa.string()), values, space)


def test_a_space_tells_of_all_that_it_comes_from() -> None:
    classifier = Space("future-ee", (USERS, SOUND))
    assert list(classifier.ids.items()) == [
        ("future", "future-ee"),
        ("users", "users-dd"),
        ("audio", "audio-aa"),
        ("plays", "plays-cc"),
    ]
    assert space_of(classifier.plain()) == classifier
    assert classifier.name == "future"


def test_two_trainings_of_one_encoder_in_one_chain_are_refused() -> None:
    with pytest.raises(
        SpaceMismatch, match="future-ee comes from both audio-aa and audio-bb; train what it reads again"
    ):
        Space("future-ee", (USERS, OTHER_SOUND))


@pytest.mark.parametrize("wrong", ["users", "-aa", "users-", ""])
def test_an_id_is_a_name_and_a_digest(wrong: str) -> None:
    with pytest.raises(ValueError, match="must be called by a name and a digest"):
        Space(wrong)


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_ids_of_other_words_are_others(one: list[str], other: list[str]) -> None:
    same = trained_space("a", text_arrays(one)) == trained_space("a", text_arrays(other))
    assert same == (one == other)


def test_the_space_hangs_on_numbers_their_shape_their_kind_and_the_parents() -> None:
    zeros = np.zeros((2, 2), np.float32)
    ids = {
        trained_space(name, arrays, parents).id
        for name, arrays, parents in (
            ("a", [zeros], []),
            ("b", [zeros], []),
            ("a", [zeros.reshape(4)], []),
            ("a", [zeros.astype(np.int32)], []),
            ("a", [zeros + 1], []),
            ("a", [zeros], [SOUND]),
            ("a", [zeros], [SOUND, PLAYS]),
            ("a", [zeros], [PLAYS, SOUND]),
        )
    }
    assert len(ids) == 8


def test_vectors_of_one_space_are_compared_and_joined() -> None:
    one, other = vectors(USERS), vectors(USERS, 2, seed=1)
    lengths = np.linalg.norm(one.values, axis=1)[:, None] * np.linalg.norm(other.values, axis=1)
    np.testing.assert_allclose(one.cosine(other), one.values @ other.values.T / lengths, rtol=1e-5)
    whole = join([one, other])
    assert len(whole) == 5
    np.testing.assert_array_equal(whole.take(np.array([3, 4])).values, other.values)
    np.testing.assert_allclose(whole.mean(), np.concatenate([one.values, other.values]).mean(axis=0), rtol=1e-6)
    zero = Vectors(pa.array(["nobody"]), np.zeros((1, 4), np.float32), USERS)
    np.testing.assert_array_equal(one.cosine(zero), np.zeros((3, 1)))


def test_what_mixes_spaces_is_refused_with_both_ids_and_the_mend() -> None:
    again = Space("users-ff", (OTHER_SOUND, PLAYS))
    told = "users-dd and of users-ff: encode both by one of the two trainings of 'users'"
    with pytest.raises(SpaceMismatch, match=f"can't compare vectors of {told}"):
        vectors(USERS).cosine(vectors(again))
    with pytest.raises(SpaceMismatch, match=f"can't join vectors of {told}"):
        join([vectors(USERS), vectors(USERS), vectors(again)])
    with pytest.raises(SpaceMismatch, match="can't index vectors of users-dd and of audio-aa: 'users' and 'audio' are"):
        refuse_mixed("index", USERS, SOUND)
    refuse_mixed("index", USERS, USERS)
    refuse_mixed("index")


def test_rows_without_an_id_are_refused() -> None:
    with pytest.raises(ValueError, match=r"values have the shape \(3, 4\) for 2 ids"):
        Vectors(pa.array(["ann", "bob"]), np.zeros((3, 4), np.float32), USERS)
