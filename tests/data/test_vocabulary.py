"""What a model knows, when more of it comes in."""

import dataclasses

import numpy as np
import pyarrow as pa

from tests.data.test_sequences import whole
from tests.logs import Row, log_of
from urep_jax.data.vocabulary import FIRST_ITEM, Vocabulary, grown_vocabulary, item_counts

LOG = log_of([Row(0, t, item, "up", 0) for t, item in enumerate([4, 1, 1, 0, 4, 4])], num_items=6, num_stations=1)
KNOWN = Vocabulary(pa.array(["i5", "i4", "elsewhere"]), pa.array(["c7"]), pa.array(["car"]))


def test_new_items_come_after_those_that_there_are_and_nothing_else_comes_in() -> None:
    grown = grown_vocabulary(KNOWN, LOG, whole(LOG))
    assert grown.item_ids.to_pylist() == ["i5", "i4", "elsewhere", "i0", "i1"]
    assert (grown.station_ids, grown.device_ids) == (KNOWN.station_ids, KNOWN.device_ids)
    rows = grown.item_rows(KNOWN.item_ids)
    np.testing.assert_array_equal(rows, FIRST_ITEM + np.arange(3))
    assert grown_vocabulary(grown, LOG, whole(LOG)).item_ids == grown.item_ids


def test_what_only_the_test_holds_does_not_come_in() -> None:
    split = dataclasses.replace(whole(LOG), stop=LOG.offsets[1:] - 3)
    assert grown_vocabulary(KNOWN, LOG, split).item_ids.to_pylist()[3:] == ["i1"]


def test_counts_are_in_the_order_of_the_vocabulary() -> None:
    grown = grown_vocabulary(KNOWN, LOG, whole(LOG))
    assert item_counts(LOG, whole(LOG), grown).tolist() == [0, 3, 0, 1, 2]
