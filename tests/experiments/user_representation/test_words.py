"""Vectors of the words that items have."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from experiments.user_representation.encoders import NDCG, UNIT, Encoded, Words
from experiments.watch import WatchedFit
from urep_jax.training.fit import FitConfig

RNG = np.random.default_rng(0)
FILMS = 60
GENRES = [["crime", "drama"] if film % 3 else ["comedy"] for film in range(FILMS)]


def histories(users: int = 60) -> pa.Table:
    """Users who like comedies, and users who like others."""
    rows = []
    for user in range(users):
        kind = [film for film in range(FILMS) if (film % 3 == 0) == (user % 3 == 0)]
        rows += [(f"user {user}", f"film {film}") for film in RNG.permutation(kind)[:15]]
    user, film = zip(*rows, strict=True)
    return pa.table({"playlist_id": user, "position": np.arange(len(rows)), "item_id": film})


def encoded(words: pa.Array, folder: Path, column: str = "genres") -> Encoded:
    items = pa.table({"item_id": [f"film {film}" for film in range(FILMS)], "genres": words})
    train = WatchedFit(folder, "genres", UNIT, Console(quiet=True))
    encoder = Words(together=("histories",), column=column)
    return encoder("genres", {"items": items, "histories": histories()}, FitConfig(1, 1, 0), train)


def test_words_are_directions_of_length_1(tmp_path: Path) -> None:
    found = encoded(pa.array(GENRES), tmp_path)
    vectors = dict(zip(found.modality.item_ids.to_pylist(), found.modality.vectors, strict=True))
    np.testing.assert_allclose(np.linalg.norm(found.modality.vectors, axis=1), 1, rtol=1e-6)
    assert sorted(vectors["film 1"]) == pytest.approx([0, 0.5**0.5, 0.5**0.5])
    assert vectors["film 1"] @ vectors["film 0"] == 0
    assert found.fit is None
    assert not list(tmp_path.iterdir()), "nothing is trained"
    assert found.continued()[NDCG].value > 0.3


def test_items_without_words_have_no_vector(tmp_path: Path) -> None:
    column = pa.array([None, [], *GENRES[2:]])
    assert encoded(column, tmp_path).modality.item_ids.to_pylist()[0] == "film 2"


def test_one_word_is_a_word(tmp_path: Path) -> None:
    found = encoded(pa.array([genres[0] for genres in GENRES]), tmp_path)
    assert found.modality.vectors.shape == (FILMS, 2)


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"modalities\.genres reads the column 'style' of the items, but there is only"
    ):
        encoded(pa.array(GENRES), tmp_path, column="style")
