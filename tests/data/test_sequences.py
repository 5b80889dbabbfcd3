"""Crops, cloze masks and packing: what may be in an input, and what may not."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logs import DAY, Row, log_of, row_seeds, rows
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Split
from urep_jax.data.hard_negatives import Rung
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import Batch, SequenceConfig, Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.splits import LeaveOneOut, PaperSplit
from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, MASK, PAD, UNKNOWN, build_vocabulary


def whole(log: EventLog) -> Split:
    """Everything trains."""
    nobody = LeaveOneOut(min_events=log.num_events + 3)(log).test
    train = np.arange(log.num_sequences, dtype=np.int32)
    return Split(train, log.offsets[:-1], log.offsets[1:], nobody, nobody)


def sequences_of(log: EventLog, **config: object) -> Sequences:
    """All of the log, to be read with `config`."""
    return Sequences(log, build_vocabulary(log, whole(log)), SequenceConfig(**config))


def drawn(sequences: Sequences, start: np.ndarray, stop: np.ndarray) -> Batch:
    """A training batch of these crops."""
    return sequences.training_batch(row_seeds(0, len(start)), start, stop)


def one_row(batch: Batch, row: int = 0) -> list[tuple[int, int, int]]:
    """Item row, feedback and station row of the events in one row of a batch."""
    valid = batch.feedback[row] != Feedback.NONE
    assert not valid[: np.argmax(valid)].any(), "rows are right-aligned"
    assert valid[np.argmax(valid) :].all(), "rows have no holes"
    columns = (batch.item[row], batch.feedback[row], batch.station[row])
    return list(zip(*(column[valid].tolist() for column in columns), strict=True))


def words(log_row: str) -> list[Row]:
    """One listener's events, each a letter u, d, s or p, each of its own item, an hour apart."""
    names = {"u": "up", "d": "down", "s": "skip", "p": "play"}
    return [Row(0, 3600 * i, i, names[letter], 0) for i, letter in enumerate(log_row)]


def test_a_mask_replaces_the_song_and_keeps_station_and_feedback() -> None:
    log = log_of(words("uuu"), num_stations=1)
    batch = drawn(sequences_of(log, p_hard=0.0, max_length=5), np.array([0]), np.array([3]))
    assert one_row(batch) == [
        (FIRST_ITEM, Feedback.UP, FIRST_STATION),
        (FIRST_ITEM + 1, Feedback.UP, FIRST_STATION),
        (MASK, Feedback.UP, FIRST_STATION),
    ]
    assert batch.task[0].tolist() == [4]
    assert batch.target[0].tolist() == [FIRST_ITEM + 2]
    assert batch.negative.shape == (1, 0), "nothing is looked up where there can be no hard negative"
    assert batch.rung[0].tolist() == [Rung.RANDOM]


def test_a_used_negative_leaves_the_input_which_is_packed_again() -> None:
    batch = drawn(sequences_of(log_of(words("usu")), max_length=5), np.array([0]), np.array([3]))
    assert [item for item, *_ in one_row(batch)] == [FIRST_ITEM, MASK]
    assert batch.negative[0].tolist() == [FIRST_ITEM + 1]
    assert batch.rung[0].tolist() == [Rung.SAME_DAY_SKIP]


def test_plays_are_neither_input_nor_negative() -> None:
    batch = drawn(sequences_of(log_of(words("puppu")), max_length=5), np.array([0]), np.array([5]))
    assert [item for item, *_ in one_row(batch)] == [FIRST_ITEM + 1, MASK]
    assert batch.negative[0].tolist() == [PAD]


def test_hard_negatives_come_from_the_crop_even_where_negatives_are_no_input() -> None:
    sequences = sequences_of(log_of(words("dudsdu")), inputs=("up",), max_length=2)
    batch = drawn(sequences, np.array([0]), np.array([6]))
    assert [item for item, *_ in one_row(batch)] == [FIRST_ITEM + 1, MASK]
    # The first down lies before the crop, which begins with the first of the two ups that fit.
    assert batch.negative[0, 0] in (FIRST_ITEM + 2, FIRST_ITEM + 4)


def test_the_day_is_the_listeners() -> None:
    # Down at 23:00 UTC, up at 01:00 UTC: two days in UTC, one where the clock is two hours ahead.
    log = log_of([Row(0, DAY - 3600, 0, "down"), Row(0, DAY + 3600, 1, "up")])
    local = EventLog(**{**vars(log), "utc_offset": np.full(2, 7200, np.int32)})
    for zone, rung in ((log, Rung.RANDOM), (local, Rung.SAME_DAY_DOWN)):
        batch = drawn(sequences_of(zone, max_length=4), np.array([0]), np.array([2]))
        assert batch.rung[0].tolist() == [rung]


@given(rows(stations=True), st.integers(2, 9), st.floats(0.05, 1), st.sampled_from([0.0, 0.5, 1.0]), st.data())
def test_batches_keep_their_promises(
    events: list[Row], max_length: int, p_task: float, p_hard: float, data: st.DataObject
) -> None:
    log = log_of(events, num_stations=2)
    inputs = data.draw(st.sampled_from([("up", "down", "skip"), ("up",), ("skip",), ("down", "skip")]))
    sequences = sequences_of(log, max_length=max_length, p_task=p_task, p_hard=p_hard, inputs=inputs)
    batches = TrainingBatches(sequences, whole(log), batch_size=2, seed=data.draw(st.integers(0, 9)), strata=2)
    used = {Feedback.from_word(word) for word in inputs}
    for step in range(2 * batches.steps_per_epoch):
        for batch in batches[step]:
            for row in range(len(batch.row)):
                if not (batch.feedback[row] != Feedback.NONE).any():
                    assert not batch.target[row].any()
                    continue
                events_in = one_row(batch, row)
                is_task = batch.target[row] != PAD
                tasks = batch.task[row][is_task]
                assert events_in[-1][:2] == (MASK, Feedback.UP), "the last position is a task"
                assert batch.item.shape[1] - 1 in tasks
                assert len(set(tasks.tolist())) == len(tasks)
                assert (batch.item[row][tasks] == MASK).all()
                assert (batch.item[row] == MASK).sum() == len(tasks), "only tasks are masked"
                assert all(f in used or item == MASK for item, f, _ in events_in)
                assert p_hard > 0 or batch.negative.shape[1] == 0
                has_hard = batch.negative[row] != PAD if p_hard else np.zeros(batch.target.shape[1], bool)
                assert (has_hard == (batch.rung[row] != Rung.RANDOM)).all()
                assert len(events_in) <= max_length


@given(rows(stations=True), st.integers(0, 9))
def test_a_batch_reads_nothing_past_the_training_period(events: list[Row], seed: int) -> None:
    devices = {"device": np.zeros(len(events), np.int16), "device_ids": pa.array(["phone", "desk"])}
    log = EventLog(**{**vars(log_of(events, num_stations=2)), **devices})
    split = PaperSplit(test_days=2, validation_share=0.2, min_events=1, seed=seed)(log)
    later = np.ones(log.num_events, bool)
    for start, stop in zip(split.start, split.stop, strict=True):
        later[start:stop] = False
    changed = EventLog(
        **{
            **vars(log),
            "item": np.where(later, (log.item + 1) % log.num_items, log.item).astype(np.int32),
            "feedback": np.where(later, Feedback.DOWN, log.feedback).astype(np.int8),
            "station": np.where(later, -1, log.station).astype(np.int32),
            "device": np.where(later, 1, 0).astype(np.int16),
        }
    )
    if not any((log.feedback[split.start[s] : split.stop[s]] == Feedback.UP).any() for s in split.train):
        return
    cfg = SequenceConfig(max_length=6)
    before, after = (
        TrainingBatches(Sequences(one, build_vocabulary(one, split), cfg), split, 2, seed, 2) for one in (log, changed)
    )
    assert before.sequences.vocabulary.device_ids == after.sequences.vocabulary.device_ids
    for step in range(before.steps_per_epoch):
        for a, b in zip(before[step], after[step], strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)


def test_the_share_of_tasks_is_p_task() -> None:
    log = log_of([Row(s, t, t, "up") for s in range(400) for t in range(50)])
    batch = drawn(sequences_of(log, p_task=0.15, max_length=50), log.offsets[:-1], log.offsets[1:])
    # 7.5 tasks a row, rounded at random to 7 or 8: the mean of 400 has a standard deviation of 0.025.
    assert np.mean((batch.target != PAD).sum(1)) == pytest.approx(7.5, abs=0.1)


def test_p_hard_is_the_share_of_hard_negatives_where_there_is_one() -> None:
    log = log_of([Row(s, t, t, "up" if t % 2 else "down") for s in range(400) for t in range(40)])
    batch = drawn(sequences_of(log, p_task=0.5, p_hard=0.3, max_length=40), log.offsets[:-1], log.offsets[1:])
    # 4000 tasks: a standard deviation of 0.007.
    assert np.mean(batch.negative[batch.target != PAD] != PAD) == pytest.approx(0.3, abs=0.03)


def test_next_tasks_ask_for_the_following_up() -> None:
    sequences = sequences_of(log_of(words("udusu")), tasks="next", p_hard=0.0, max_length=5)
    batch = drawn(sequences, np.array([0]), np.array([5]))
    assert batch.task[0].tolist() == [0, 1, 2, 3]
    assert batch.target[0].tolist() == [PAD, FIRST_ITEM + 2, PAD, FIRST_ITEM + 4]
    assert not (batch.item == MASK).any()


def test_a_down_that_is_asked_about_looks_like_an_up_and_is_its_own_negative() -> None:
    log = log_of(words("dudsdu"), num_stations=1)
    sequences = sequences_of(log, p_task=1.0, p_hard=1.0, max_length=8, down_tasks=True)
    batch = drawn(sequences, np.array([0]), np.array([6]))
    asked = sorted(zip(batch.task[0], batch.target[0], batch.negative[0], strict=True))
    told = [(t, n) for _, t, n in asked if t != PAD or n != PAD]
    # All ups and downs are asked about, so the skip is the only hard negative that is left for one of the ups.
    downs = [FIRST_ITEM, FIRST_ITEM + 2, FIRST_ITEM + 4]
    assert [n for t, n in told if t == PAD] == downs
    assert sorted(n for t, n in told if t != PAD) == [PAD, FIRST_ITEM + 3]
    assert [t for t, _ in told if t != PAD] == [FIRST_ITEM + 1, FIRST_ITEM + 5]
    assert {(item, feedback) for item, feedback, _ in one_row(batch)} == {(MASK, Feedback.UP)}


def test_skips_are_asked_about_where_there_are_no_downs() -> None:
    batch = drawn(
        sequences_of(log_of(words("usu")), p_task=1.0, max_length=5, down_tasks=True), np.array([0]), np.array([3])
    )
    assert FIRST_ITEM + 1 in batch.negative[0][batch.target[0] == PAD]


def test_next_tasks_ask_for_the_following_down_too() -> None:
    sequences = sequences_of(log_of(words("udsu")), tasks="next", p_hard=0.0, max_length=5, down_tasks=True)
    batch = drawn(sequences, np.array([0]), np.array([4]))
    assert batch.target[0].tolist() == [PAD, PAD, PAD, FIRST_ITEM + 3]
    assert batch.negative[0].tolist() == [PAD, FIRST_ITEM + 1, PAD, PAD]


def test_a_question_to_a_causal_model_is_put_as_in_training() -> None:
    events = words("udus")
    asked = log_of([*events, Row(0, 9 * DAY, 4, "up", 0), Row(0, 9 * DAY + 1, 5, "down", 0)], num_stations=1)
    trained = sequences_of(asked, tasks="next", p_hard=0.0, max_length=5)
    batch = drawn(trained, np.array([0]), np.array([5]))
    question = trained.question_batch(PaperSplit(test_days=1, min_events=1)(asked).test, np.array([0]))
    # Training's last question is about the up that follows the four events, and so is the evaluation's.
    assert question.task[0].tolist() == [3]
    assert batch.task[0][batch.target[0] != PAD].tolist()[-1] == 3
    np.testing.assert_array_equal(question.item[0, :4], batch.item[0, :4])
    np.testing.assert_array_equal(question.feedback[0, :4], batch.feedback[0, :4])
    assert question.item[0, 4] == PAD
    assert question.feedback[0, 4] == Feedback.NONE


def test_inputs_are_found_however_many_plays_lie_between() -> None:
    log = log_of(words("s" + ("u" + 50 * "p") * 4 + "u"), num_stations=1)
    sequences = sequences_of(log, max_length=5, inputs=("up",), p_hard=0.0)
    batch = drawn(sequences, log.offsets[:1], log.offsets[1:])
    assert [feedback for _, feedback, _ in one_row(batch)] == 5 * [Feedback.UP]


def test_what_was_heard_off_any_station_is_no_same_day_negative() -> None:
    log = log_of([Row(0, 0, 0, "up", 0), Row(0, 1, 1, "down"), Row(0, 2, 2, "up")], num_stations=1)
    sequences = sequences_of(log, max_length=5, p_task=1.0)
    batch = drawn(sequences, log.offsets[:1], log.offsets[1:])
    told = {int(target): Rung(rung) for target, rung in zip(batch.target[0], batch.rung[0], strict=True) if target}
    assert told == {FIRST_ITEM: Rung.FUTURE_DOWN, FIRST_ITEM + 2: Rung.RANDOM}


def test_a_column_of_stations_without_any_is_as_no_column() -> None:
    rungs = []
    for station in (None, np.full(19, -1, np.int32)):
        log = dataclasses.replace(log_of(words("udududududududududu")), station=station)
        sequences = sequences_of(log, max_length=20, p_task=1.0)
        batch = drawn(sequences, log.offsets[:1], log.offsets[1:])
        rungs.append(batch.rung[0][batch.target[0] != PAD].tolist())
    assert rungs[0] == rungs[1]
    assert rungs[0].count(Rung.SAME_DAY_DOWN) == 9


@given(rows(), st.integers(1, 6), st.sampled_from([("up", "down", "skip"), ("up",), ("skip",)]), st.data())
def test_a_window_holds_the_latest_inputs_and_what_lies_between(
    events: list[Row], limit: int, inputs: tuple[str, ...], data: st.DataObject
) -> None:
    log = log_of(events)
    sequences = sequences_of(log, inputs=inputs)
    laid_out = np.array(data.draw(st.lists(st.booleans(), min_size=len(Feedback), max_size=len(Feedback))))
    laid_out[Feedback.NONE] = False
    window = sequences.window(log.offsets[:-1], log.offsets[1:], limit, laid_out)
    rows_told = []
    for start, stop in zip(log.offsets[:-1], log.offsets[1:], strict=True):
        told, seen = [], 0
        for event in range(stop - 1, start - 1, -1):
            seen += log.feedback[event] in sequences.cfg.input_codes
            if seen <= limit and laid_out[log.feedback[event]]:
                told.insert(0, (sequences.item_rows[log.item[event]], log.feedback[event]))
        rows_told.append(told)
    assert window.item.shape[1] == max(1, *map(len, rows_told))
    for row, told in enumerate(rows_told):
        valid = window.feedback[row] != Feedback.NONE
        found = zip(window.item[row][valid].tolist(), window.feedback[row][valid].tolist(), strict=True)
        assert list(found) == told
        assert valid[len(valid) - len(told) :].all()


def test_a_listener_who_plays_all_day_takes_no_more_room_than_others() -> None:
    log = log_of(words("u" + 500 * "ps" + "u"))
    question = LeaveOneOut(min_events=3)(log).test
    for inputs, width in ((("up",), 1), (("up", "skip"), 4)):
        sequences = sequences_of(log, inputs=inputs, max_length=5)
        window = sequences.window(question.start, question.stop, 4, sequences._is_input)
        assert window.item.shape[1] == width


@given(rows(stations=True), st.integers(2, 12))
def test_a_question_shows_the_latest_inputs_and_the_station(events: list[Row], max_length: int) -> None:
    log = log_of(events, num_stations=2)
    split = PaperSplit(test_days=3, min_events=1)(log)
    if not len(split.test):
        return
    sequences = Sequences(log, build_vocabulary(log, split), SequenceConfig(max_length=max_length))
    batch = sequences.question_batch(split.test, np.arange(len(split.test)))
    for case, (start, stop) in enumerate(zip(split.test.start, split.test.stop, strict=True)):
        given_events = [e for e in range(start, stop) if log.feedback[e] != Feedback.PLAY][-(max_length - 1) :]
        known = [
            (sequences.item_rows[log.item[e]], log.feedback[e], sequences.station_rows[log.station[e]])
            for e in given_events
        ]
        asked = (MASK, Feedback.UP, sequences.station_rows[split.test.station[case]])
        assert one_row(batch, case) == [*known, asked]


def test_what_training_never_saw_is_unknown() -> None:
    log = log_of([Row(0, 0, 0, "up"), Row(0, 1, 1, "down"), Row(1, 9 * DAY, 2, "up", 0)], num_stations=1)
    split = PaperSplit(test_days=1, validation_share=0.0)(log)
    sequences = Sequences(log, build_vocabulary(log, split), SequenceConfig())
    assert sequences.item_rows.tolist() == [FIRST_ITEM, FIRST_ITEM + 1, UNKNOWN]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"max_length": 1}, "max_length is 1"),
        ({"inputs": ["thumb"]}, r"inputs is \['thumb'\]"),
        ({"inputs": []}, "inputs is"),
        ({"p_task": 0.0}, "p_task is 0.0"),
        ({"p_hard": 1.5}, "p_hard is 1.5"),
        ({"tasks": "masks"}, "tasks is 'masks'"),
        ({"tasks": "next"}, "set p_hard=0"),
        ({"tasks": "next", "p_hard": 0.0, "inputs": ["skip"]}, "asks for ups; add up to them"),
    ],
)
def test_wrong_configs_are_refused(config: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SequenceConfig(**config)
