"""Words of the items table, as ones."""

import numpy as np
import pyarrow as pa
import pytest

from tests.logs import Row, log_of
from urep_jax.data.item_words import item_words

LOG = log_of([Row(0, 0, item, "up") for item in range(4)], num_items=4)


def items(**columns: list) -> pa.Table:
    """Of the third, the first, the second item, and of one that the log doesn't have."""
    ids = LOG.item_ids.to_pylist()
    return pa.table({"item_id": [ids[2], ids[0], ids[1], "elsewhere"], **columns})


def test_each_word_is_a_column_in_the_order_of_the_words() -> None:
    table = items(genres=[["war"], ["comedy", "war"], None, ["opera"]], language=["it", None, "de", "fr"])
    found = item_words(LOG, table, ["genres", "language"])
    # comedy, war; de, it; and the one that all have.
    expected = [[1, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 1, 0, 1, 1], [0, 0, 0, 0, 1]]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32
    again = items(genres=[["war", "war"], ["war", "comedy"], [], ["comedy"]], language=["it", None, "de", "fr"])
    np.testing.assert_array_equal(item_words(LOG, again, ["genres", "language"]), expected)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="has no table of items, and so no genres; leave these out"):
        item_words(LOG, None, ["genres"])
    with pytest.raises(ValueError, match="items have no genres; they have item_id, length"):
        item_words(LOG, items(length=[1, 2, 3, 4]), ["genres"])
    with pytest.raises(ValueError, match="length of the items is int64, but must be words; name another column"):
        item_words(LOG, items(length=[1, 2, 3, 4]), ["length"])
    with pytest.raises(ValueError, match=r"genres has 0 words for the items of .*, but must have from 1 to 5,000"):
        item_words(LOG, items(genres=[None, [], None, ["opera"]]), ["genres"])
    many = pa.table({"item_id": LOG.item_ids, "genres": [[str(n) for n in range(5001)], [], [], []]})
    with pytest.raises(ValueError, match="genres has 5,001 words"):
        item_words(LOG, many, ["genres"])
