"""Which items belong together, by hand."""

import numpy as np
import pyarrow as pa
import pytest

from experiments.user_representation.together import histories, sets_of_items
from tests.logs import Row, log_of
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments

TABLES = {
    "playlists": pa.table({"playlist_id": ["p", "p", "q"], "position": [1, 0, 0], "item_id": ["a", "b", "c"]}),
    "items": pa.table({"item_id": ["a", "b", "c", "d"], "artist_id": ["x", "y", "x", None]}),
}


def sets(log: EventLog) -> dict[str, list[str]]:
    ids = log.item_ids.to_pylist()
    return {
        name: [ids[i] for i in log.item[log.offsets[s] : log.offsets[s + 1]]]
        for s, name in enumerate(log.sequence_ids.to_pylist())
    }


def test_playlists_and_artists_are_sets() -> None:
    assert sets(sets_of_items(("playlists",), TABLES, None, 0)) == {"playlists p": ["b", "a"], "playlists q": ["c"]}
    both = sets(sets_of_items(("playlists", "artists"), TABLES, None, 0))
    assert both["artists x"] == ["a", "c"]
    assert len(both) == 4


def test_some_sets_and_some_items() -> None:
    assert len(sets(sets_of_items(("playlists", "artists"), TABLES, 2, 0))) == 2
    only = sets(sets_of_items(("playlists", "artists"), TABLES, None, 0, only=pa.array(["a", "c"])))
    assert only == {"playlists p": ["a"], "playlists q": ["c"], "artists x": ["a", "c"]}


def test_a_history_is_what_was_listened_to_before_the_moment() -> None:
    log = log_of(
        [
            *(
                Row(0, 1, 2, "play"),
                Row(0, 2, 0, "skip"),
                Row(0, 3, 1, "up"),
                Row(0, 4, 2, "play"),
                Row(0, 5, 3, "play"),
            ),
            *(Row(1, 1, 3, "down"), Row(1, 2, 0, "play")),
        ]
    )
    asked = Moments(np.array([0, 1]), np.array([log.timestamp[4], log.timestamp[-1] + 1]))
    table = histories(log, asked)
    ids = log.item_ids.to_pylist()
    assert table["item_id"].to_pylist() == [ids[2], ids[1], ids[0]]
    users = log.sequence_ids.to_pylist()
    assert table["playlist_id"].to_pylist() == [users[0], users[0], users[1]]


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match="together names histories, but the data tells of none"):
        sets_of_items(("histories",), TABLES, None, 0)
    with pytest.raises(ValueError, match="together names 'friends', but must be of playlists, artists, histories"):
        sets_of_items(("friends",), TABLES, None, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no items belong together so"):
        sets_of_items(("playlists",), TABLES, None, 0, only=pa.array(["d"]))
