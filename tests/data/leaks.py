"""What a split of a data set must never do."""

import numpy as np

from urep_jax.data.cases import Split
from urep_jax.data.log import EventLog


def assert_nothing_leaks(log: EventLog, split: Split, cut: int) -> None:
    """Training and validation end before `cut`, and every input before what it is asked about.

    Of a user's log the input ends in time, of a session's in place.
    """
    time = np.asarray(log.timestamp)
    trained = np.zeros(log.num_events, bool)
    for s in split.train:
        trained[split.start[s] : split.stop[s]] = True
    assert trained.any()
    assert len(split.test)
    assert time[trained].max() < cut
    assert not set(split.train) & set(split.validation.sequence)
    assert np.all(time[split.validation.event] < cut)
    assert np.all(time[split.test.event] >= cut)
    for cases in (split.validation, split.test):
        assert not trained[cases.event].any()
        for c in range(len(cases)):
            s, targets = cases.sequence[c], cases.event[cases.offsets[c] : cases.offsets[c + 1]]
            assert log.offsets[s] == cases.start[c] <= cases.stop[c] <= targets.min()
            assert targets.max() < log.offsets[s + 1]
            before = time[cases.start[c] : cases.stop[c]]
            assert log.granularity == "session" or before.max(initial=-1) < time[targets].min()
            # Both an up and a negative, or there is no pair to rank.
            assert len(np.unique(log.feedback[targets])) > 1


def as_trained(log: EventLog, split: Split) -> list[tuple[str, str, int, int]]:
    """The training events as (sequence, item, time, feedback), whatever their numbers in the log."""
    sequences, items = log.sequence_ids.to_pylist(), log.item_ids.to_pylist()
    return [
        (sequences[s], items[log.item[e]], int(log.timestamp[e]), int(log.feedback[e]))
        for s in split.train
        for e in range(split.start[s], split.stop[s])
    ]
