"""What the items table says of items in words, as numbers."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32, Int

from urep_jax.data.log import EventLog

MOST_WORDS = 5000
"""Of a column. What has more, such as titles, names each item and says nothing of others."""


def item_words(log: EventLog, items: pa.Table | None, columns: Sequence[str]) -> Float32[np.ndarray, "V K"]:
    """A 1 for each word that an item has, and a last 1 that all items have.

    Args:
        log: the log, whose items these are.
        items: the items table, which need not know all of them; None if there is none.
        columns: of that table: a list of words for each item, such as `genres`, or one word, such as `language`.

    Raises:
        ValueError: if there is no table, no such column, or it holds something else than words, none for any item of
            the log, or more than 5,000.
    """
    if items is None:
        raise ValueError(f"{log.name!r} has no table of items, and so no {', '.join(columns)}; leave these out")
    row_I = pc.index_in(items["item_id"].combine_chunks(), value_set=log.item_ids).fill_null(-1).to_numpy()
    blocks = []
    for column in columns:
        if column not in items.column_names:
            raise ValueError(f"items have no {column}; they have {', '.join(items.column_names)}")
        item_N, words = words_by_row(items[column])
        if not pa.types.is_string(words.type):
            raise ValueError(f"{column} of the items is {items[column].type}, but must be words; name another column")
        known = (row_I[item_N] >= 0) & words.is_valid().to_numpy(zero_copy_only=False)
        coded = words.filter(pa.array(known)).dictionary_encode()
        if not 1 <= len(coded.dictionary) <= MOST_WORDS:
            raise ValueError(
                f"{column} has {len(coded.dictionary):,} words for the items of {log.name!r}, but must have from 1 to "
                f"{MOST_WORDS:,}; name another column"
            )
        # Numbered in the order of the words, so that the same words are the same numbers.
        order = pc.array_sort_indices(coded.dictionary).to_numpy()
        block_VxK = np.zeros((log.num_items, len(order)), np.float32)
        block_VxK[row_I[item_N][known], np.argsort(order)[coded.indices.to_numpy()]] = 1
        blocks.append(block_VxK)
    return np.concatenate([*blocks, np.ones((log.num_items, 1), np.float32)], axis=1)


def words_by_row(column: pa.ChunkedArray) -> tuple[Int[np.ndarray, "N"], pa.Array]:
    """All words of a column of one word or of a list of words a row, one behind the other, and the row of each."""
    words = column.combine_chunks()
    if pa.types.is_list(words.type):
        return pc.list_parent_indices(words).to_numpy(), pc.list_flatten(words)
    return np.arange(len(words)), words
