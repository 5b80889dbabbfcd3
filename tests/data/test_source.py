"""The Grain source: what an epoch visits, and that a restored iterator goes on as if it had never stopped."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.parts import assert_parts_make_the_whole
from tests.data.test_sequences import sequences_of, whole
from tests.logs import Row, log_of, rows
from urep_jax.core.mesh import Part
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.source import TrainingBatches


def listeners(lengths: list[int]) -> EventLog:
    """Listeners who were up for everything, each item their own."""
    first = np.concatenate([[0], np.cumsum(lengths)])
    return log_of([Row(s, t, int(first[s]) + t, "up") for s, n in enumerate(lengths) for t in range(n)])


def batches_of(log: EventLog, batch_size: int = 4, strata: int = 2, **config: object) -> TrainingBatches:
    """Batches of the whole log."""
    return TrainingBatches(sequences_of(log, p_hard=0.0, **config), whole(log), batch_size, seed=1, strata=strata)


def assert_same(a: tuple, b: tuple) -> None:
    """Two batches are equal in every entry."""
    for one, other in zip(a, b, strict=True):
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("count", [1, 3, 4, 5, 17])
def test_an_epoch_visits_each_sequence_once(count: int) -> None:
    log = listeners([3 + s % 5 for s in range(count)])
    batches = batches_of(log)
    for epoch in (0, 1):
        steps = range(epoch * batches.steps_per_epoch, (epoch + 1) * batches.steps_per_epoch)
        seen = [name for step in steps for name in batches.sequence_ids(step)]
        assert sorted(seen) == sorted(log.sequence_ids.to_pylist())
        rows = [part.feedback.any(1).sum() for step in steps for part in batches[step]]
        assert sum(rows) == count


def test_an_epoch_may_visit_a_sequence_as_often_as_crops_are_as_long_as_it() -> None:
    log = listeners([3, 10, 11, 35])
    batches = TrainingBatches(
        sequences_of(log, p_hard=0.0, max_length=10), whole(log), 2, seed=1, strata=1, crops="all"
    )
    seen = [name for step in range(batches.steps_per_epoch) for name in batches.sequence_ids(step)]
    assert sorted(seen) == sorted(np.repeat(log.sequence_ids.to_pylist(), [1, 1, 2, 4]))
    assert batches.num_sequences == 8
    with pytest.raises(ValueError, match="crops is 'two', but must be one of one, all"):
        TrainingBatches(batches.sequences, batches.split, 2, seed=1, strata=1, crops="two")  # type: ignore[arg-type]


def test_epochs_differ_in_order_and_rows_are_numbered_through() -> None:
    batches = batches_of(listeners([4] * 32))
    assert batches.sequence_ids(0) != batches.sequence_ids(batches.steps_per_epoch)
    assert np.concatenate([part.row for part in batches[0]]).tolist() == [0, 1, 2, 3]


def test_strata_are_padded_to_their_own_length() -> None:
    batches = batches_of(listeners([2, 3, 40, 50]), max_length=45)
    assert [part.item.shape[1] for part in batches[0]] == [3, 45]


def test_a_long_sequence_is_cropped_anywhere_a_short_one_nowhere() -> None:
    batches = batches_of(listeners([3, 30]), batch_size=2, max_length=10)
    crops = [batches[step] for step in range(200)]
    ends = {int(long.target[0].max()) for _, long in crops}
    assert len(ends) == 21, "each of the 21 full crops of 30 events is drawn"
    assert {int((short.feedback != Feedback.NONE).sum()) for short, _ in crops} == {3}
    assert {int((long.feedback != Feedback.NONE).sum()) for _, long in crops} == {10}


@pytest.mark.parametrize("readers", [1, 3])
def test_a_restored_iterator_goes_on_at_every_step(readers: int) -> None:
    """However many threads read, before and after."""
    batches = batches_of(listeners([5] * 11))
    expected = [batches[step] for step in range(7)]
    iterator = batches.iterate(7, readers=readers)
    for step in range(7):
        state = iterator.get_state()
        fresh = batches.iterate(7, readers=4 - readers)
        fresh.set_state(state)
        for later, batch in enumerate(fresh, start=step):
            assert_same(batch, expected[later])
        assert_same(next(iterator), expected[step])
    assert list(iterator) == []


@given(st.data())
def test_parts_of_a_batch_are_the_rows_of_the_whole(data: st.DataObject) -> None:
    """Whoever reads which rows: what is drawn for a row hangs on nothing in the others."""
    log = log_of(data.draw(rows(stations=True)), num_stations=3)
    if not (log.feedback == Feedback.UP).any():
        return
    causal = data.draw(st.booleans())
    config = {"tasks": "next", "p_hard": 0.0} if causal else {"p_hard": 0.7, "p_task": 0.5}
    sequences = sequences_of(
        log, max_length=data.draw(st.integers(2, 9)), down_tasks=data.draw(st.booleans()), **config
    )
    batches = TrainingBatches(sequences, whole(log), 8, seed=data.draw(st.integers(0, 99)), strata=2)
    assert_parts_make_the_whole(batches, of=data.draw(st.sampled_from([1, 2, 4])))


def test_a_part_reads_no_more_than_its_rows() -> None:
    """A long history in another process's rows costs nothing here."""
    batches = batches_of(listeners([5] * 7 + [900]), batch_size=8, strata=1, max_length=400)
    read: list[int] = []
    window = batches.sequences.window

    def watched(start: np.ndarray, stop: np.ndarray, *others: Any) -> Any:
        read.append(int((stop - start).sum()))
        return window(start, stop, *others)

    batches.sequences.window = watched
    (row,) = np.flatnonzero(batches.members(0)[0] == 7)
    for run in range(8):
        batches.read(0, Part((run,), 8))
    long = read.pop(int(row))
    assert long >= 400
    assert read == [5] * 7


def test_a_log_without_ups_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the 1 training sequences of 'test' holds an up"):
        batches_of(log_of([Row(0, 0, 0, "down"), Row(0, 1, 1, "skip")]))


def test_a_batch_that_strata_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size is 5, but must be a multiple of the number of strata, 2"):
        batches_of(listeners([3]), batch_size=5)
