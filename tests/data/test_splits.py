"""Splits against plain loops, and the leaks that they must not have."""

import dataclasses
import time
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logs import DAY, NUM_ITEMS, NUM_SEQUENCES, Row, log_of, movielens_1m, rows
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import EventLog
from urep_jax.data.splits import LeaveOneOut, PaperSplit, TimeCut, seconds

GIVEN = (Feedback.UP, Feedback.DOWN, Feedback.SKIP)
CUT = 4 * DAY
SPLITS = (
    PaperSplit(cut=CUT, validation_share=0.5, min_events=2, validation_targets=2),
    TimeCut(cut=CUT),
    LeaveOneOut(),
    LeaveOneOut(targets="up"),
)


def make_log(events: list[Row], stations: bool, granularity: str = "user") -> EventLog:
    return log_of(
        events,
        granularity=granularity,
        num_sequences=NUM_SEQUENCES,
        num_items=NUM_ITEMS,
        num_stations=2 if stations else 0,
    )


def as_dict(cases: Cases) -> dict:
    """`(sequence, station) -> (start, stop, target events)`."""
    return {
        (int(cases.sequence[c]), int(cases.station[c])): (
            int(cases.start[c]),
            int(cases.stop[c]),
            cases.event[cases.offsets[c] : cases.offsets[c + 1]].tolist(),
        )
        for c in range(len(cases))
    }


def by_station(log: EventLog, events: list[int]) -> dict[int, list[int]]:
    groups = defaultdict(list)
    for event in events:
        station = -1 if log.station is None else int(log.station[event])
        if log.station is None or station >= 0:
            groups[station].append(event)
    return groups


def holds_pair(log: EventLog, events: list[int], negatives: tuple[Feedback, ...]) -> bool:
    kinds = {int(log.feedback[event]) for event in events}
    return Feedback.UP in kinds and bool(kinds & set(negatives))


def expected_test(log: EventLog, cut: int, min_events: int) -> dict:
    """The paper's test cases, by loops over users and stations."""
    negatives = (Feedback.DOWN,) if Feedback.DOWN in log.feedback else (Feedback.SKIP,)
    cases = {}
    for s in range(log.num_sequences):
        events = range(log.offsets[s], log.offsets[s + 1])
        past = [e for e in events if log.timestamp[e] < cut]
        later = [e for e in events if log.timestamp[e] >= cut and log.feedback[e] in (Feedback.UP, *negatives)]
        if sum(log.feedback[e] in GIVEN for e in past) < min_events:
            continue
        for station, targets in by_station(log, later).items():
            if holds_pair(log, targets, negatives):
                cases[s, station] = (events.start, events.start + len(past), targets)
    return cases


def expected_validation(log: EventLog, cut: int, cfg: PaperSplit, held_out: set[int]) -> dict:
    """The validation cases: day boundaries are tried from the latest to the earliest."""
    negatives = (Feedback.DOWN, Feedback.SKIP)
    cases = {}
    for s in held_out:
        events = [e for e in range(log.offsets[s], log.offsets[s + 1]) if log.timestamp[e] < cut]
        for boundary in range(cut // DAY * DAY, -1, -DAY):
            past = [e for e in events if log.timestamp[e] < boundary]
            later = [e for e in events if log.timestamp[e] >= boundary and log.feedback[e] in GIVEN]
            pairs = {c: g for c, g in by_station(log, later).items() if holds_pair(log, g, negatives)}
            if pairs and sum(log.feedback[e] in GIVEN for e in past) >= cfg.min_events:
                for station, group in pairs.items():
                    ups = [e for e in group if log.feedback[e] == Feedback.UP][-cfg.validation_targets :]
                    downs = [e for e in group if log.feedback[e] != Feedback.UP][-cfg.validation_targets :]
                    start = int(log.offsets[s])
                    cases[s, station] = (start, start + len(past), sorted(ups + downs))
                break
    return cases


def expected_pairs(log: EventLog, where: np.ndarray, negatives: tuple[Feedback, ...], min_events: int) -> dict:
    """Session cases: the last up and the last negative of the station whose pair is latest."""
    cases = {}
    for s in range(log.num_sequences):
        start = int(log.offsets[s])
        best = None
        for station, group in by_station(log, [e for e in range(start, log.offsets[s + 1]) if where[e]]).items():
            if holds_pair(log, group, negatives):
                up = max(e for e in group if log.feedback[e] == Feedback.UP)
                negative = max(e for e in group if log.feedback[e] in negatives)
                best = max(best or (-1, -1, []), (min(up, negative), station, sorted([up, negative])))
        if best and sum(log.feedback[e] in GIVEN for e in range(start, best[0])) >= min_events:
            cases[s, best[1]] = (start, best[0], best[2])
    return cases


words = st.sampled_from([("up", "down", "skip", "play"), ("up", "skip"), ("up", "down"), ("play",)])
any_rows = st.tuples(words, st.booleans()).flatmap(
    lambda drawn: st.tuples(rows(words=drawn[0], stations=drawn[1]), st.just(drawn[1]))
)


@given(any_rows, st.integers(0, 3))
def test_paper_split_of_users_matches_loops(drawn, min_events):
    log = make_log(*drawn)
    cfg = PaperSplit(cut=CUT, validation_share=0.5, min_events=min_events, validation_targets=2)
    split = cfg(log)
    started = {s for s in range(NUM_SEQUENCES) if np.any(log.timestamp[log.offsets[s] : log.offsets[s + 1]] < CUT)}
    held_out = started - set(split.train.tolist())
    assert len(held_out) == round(len(started) / 2)
    assert as_dict(split.test) == expected_test(log, CUT, min_events)
    assert as_dict(split.validation) == expected_validation(log, CUT, cfg, held_out)


@given(any_rows, st.integers(0, 3))
def test_paper_split_of_sessions_matches_loops(drawn, min_events):
    log = make_log(*drawn, granularity="session")
    split = PaperSplit(cut=CUT, validation_share=0.5, min_events=min_events)(log)
    negatives = (Feedback.DOWN,) if Feedback.DOWN in log.feedback else (Feedback.SKIP,)
    owner = np.repeat(np.arange(NUM_SEQUENCES), np.diff(log.offsets))
    starts_late = np.array([log.timestamp[log.offsets[s]] >= CUT for s in owner])
    assert as_dict(split.test) == expected_pairs(log, starts_late, negatives, min_events)
    held_out = ~np.isin(owner, split.train) & (log.timestamp < CUT)
    assert as_dict(split.validation) == expected_pairs(log, held_out, (Feedback.DOWN, Feedback.SKIP), min_events)


@given(any_rows, st.sampled_from(SPLITS), st.sampled_from(["user", "session"]))
def test_nothing_leaks(drawn, cfg, granularity):
    log = make_log(*drawn, granularity=granularity)
    split = cfg(log)
    trained = np.zeros(log.num_events, bool)
    for s in split.train:
        assert log.offsets[s] <= split.start[s] < split.stop[s] <= log.offsets[s + 1]
        trained[split.start[s] : split.stop[s]] = True
    for cases in (split.validation, split.test):
        assert not trained[cases.event].any()
        for c in range(len(cases)):
            targets = cases.event[cases.offsets[c] : cases.offsets[c + 1]]
            s = cases.sequence[c]
            assert len(targets)
            assert cases.start[c] == log.offsets[s]
            assert cases.start[c] <= cases.stop[c] <= targets.min()
            assert targets.max() < log.offsets[s + 1]
            if granularity == "user" and not isinstance(cfg, LeaveOneOut):
                assert log.timestamp[targets].min() > log.timestamp[cases.start[c] : cases.stop[c]].max(initial=-1)
        np.testing.assert_array_equal(cases.item, log.item[cases.event])
        np.testing.assert_array_equal(cases.feedback, log.feedback[cases.event])
    if isinstance(cfg, PaperSplit):
        assert not set(split.train) & set(split.validation.sequence)
        assert not np.any(log.timestamp[split.validation.event] >= CUT)
    if not isinstance(cfg, LeaveOneOut):
        assert not np.any(log.timestamp[trained] >= CUT)
        assert np.all(log.timestamp[split.test.event] >= CUT)


def same_cases(a: Cases, b: Cases, log_a: EventLog, log_b: EventLog) -> bool:
    """Equal up to the shift of flat indices that later events of earlier sequences cause."""

    def local(cases: Cases, log: EventLog) -> list[np.ndarray]:
        base_C = log.offsets[cases.sequence]
        flat = [cases.start - base_C, cases.stop - base_C, cases.event - base_C[cases.case]]
        return [cases.sequence, cases.station, cases.offsets, cases.item, cases.feedback, *flat]

    return all(np.array_equal(x, y) for x, y in zip(local(a, log_a), local(b, log_b), strict=True))


@given(any_rows, st.data(), st.sampled_from(["user", "session"]))
def test_what_comes_after_the_cut_changes_neither_training_nor_validation(drawn, data, granularity):
    events, stations = drawn
    others = data.draw(rows(stations=stations))
    changed = [row for row in events if row.time < CUT] + [row for row in others if row.time >= CUT]
    log_a, log_b = make_log(events, stations, granularity), make_log(changed, stations, granularity)
    a, b = SPLITS[0](log_a), SPLITS[0](log_b)
    np.testing.assert_array_equal(a.train, b.train)
    np.testing.assert_array_equal(a.stop - a.start, b.stop - b.start)
    assert same_cases(a.validation, b.validation, log_a, log_b)


@given(any_rows, st.booleans())
def test_leave_one_out_matches_loops(drawn, ups_only):
    log = make_log(*drawn)
    split = LeaveOneOut(targets="up" if ups_only else "any")(log)
    test, validation, train = {}, {}, []
    for s in range(NUM_SEQUENCES):
        events = range(log.offsets[s], log.offsets[s + 1])
        targets = [e for e in events if log.feedback[e] == Feedback.UP or not ups_only]
        stop = events.stop
        if len(targets) >= 3:
            station = {e: -1 if log.station is None else int(log.station[e]) for e in targets}
            stop = targets[-2]
            validation[s, station[targets[-2]]] = (events.start, stop, [targets[-2]])
            test[s, station[targets[-1]]] = (events.start, targets[-1], [targets[-1]])
        assert (split.start[s], split.stop[s]) == (events.start, stop)
        if stop > events.start:
            train.append(s)
    assert split.train.tolist() == train
    assert as_dict(split.test) == test
    assert as_dict(split.validation) == validation


def test_time_cut_holds_nobody_out():
    log = log_of(
        [Row(0, 1, 0, "up"), Row(0, 9, 1, "play"), Row(0, 9, 2, "skip"), Row(1, 9, 0, "up"), Row(2, 1, 0, "up")]
    )
    split = TimeCut(cut=5)(log)
    assert split.train.tolist() == [0, 2]
    assert len(split.validation) == 0
    assert as_dict(split.test) == {(0, -1): (0, 1, [2])}


def test_validation_takes_the_latest_day_that_leaves_a_pair():
    """Ups on days 0, 1 and 3, a down on day 2: the pair needs days 2 and later, although day 3 is the latest."""
    events = [Row(0, 10 + i, i, "up") for i in range(5)]
    events += [Row(0, DAY + 5, 5, "up"), Row(0, 2 * DAY, 6, "down"), Row(0, 3 * DAY, 7, "up"), Row(0, 5 * DAY, 8, "up")]
    split = PaperSplit(cut=4 * DAY, validation_share=0.9)(log_of(events))
    assert as_dict(split.validation) == {(0, -1): (0, 6, [6, 7])}


def test_of_a_sessions_stations_the_latest_pair_is_asked_about():
    """Station 0 has its pair at events 2 and 3, station 1 at events 5 and 6."""
    words = ("up", "up", "skip", "up", "up", "skip")
    events = [Row(1, 100 + t, t, word, station=int(t > 2)) for t, word in enumerate(words)]
    log = log_of([Row(0, 0, 0, "up"), *events], granularity="session", num_stations=2)
    split = PaperSplit(cut=50, min_events=1)(log)
    assert as_dict(split.test) == {(1, 1): (1, 5, [5, 6])}


def test_default_cut_is_thirty_days_before_the_last_event():
    log = log_of(
        [Row(0, 0, 0, "up"), Row(0, 10 * DAY - 1, 0, "up"), Row(0, 10 * DAY, 1, "up"), Row(0, 40 * DAY, 1, "down")]
    )
    split = PaperSplit(min_events=2, validation_share=0.0)(log)
    assert as_dict(split.test) == {(0, -1): (0, 2, [2, 3])}


def test_seed_draws_the_validation_sequences():
    log = log_of([Row(s, t, 0, "up") for s in range(50) for t in (0, 9)])
    first, again, other = (PaperSplit(cut=5, seed=seed)(log).train for seed in (0, 0, 1))
    assert len(first) == 45
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


@pytest.mark.parametrize(
    ("cut", "expected"),
    [("2000-12-01", 975628800), ("2000-12-01T01:00:00+01:00", 975628800), ("2000-12-01 00:01", 975628860), (7, 7)],
)
def test_cuts_are_read_as_utc(cut, expected):
    assert seconds(cut) == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PaperSplit(cut="December"), "ISO date"),
        (lambda: PaperSplit(validation_share=1.0), "validation_share is 1.0"),
        (lambda: PaperSplit(min_events=-1), "min_events is -1"),
        (lambda: PaperSplit(test_days=0), "test_days is 0"),
        (lambda: TimeCut(test_days=0), "test_days is 0"),
        (lambda: LeaveOneOut(min_events=2), "at least 3"),
        (lambda: LeaveOneOut(targets="down"), "'any' or 'up'"),
        (lambda: PaperSplit(cut=100)(log_of([Row(0, 0, 0, "up")])), "leaves events on both sides"),
        (lambda: TimeCut(cut=0)(log_of([Row(0, 0, 0, "up")])), "leaves events on both sides"),
        (lambda: PaperSplit(cut=0)(log_of([])), "holds no events"),
    ],
)
def test_errors_name_value_and_rule(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_movielens_1m_has_the_published_number_of_test_users(data_folder):
    log = movielens_1m(data_folder("movielens-1m"))
    split: Split = PaperSplit(cut="2000-12-01")(log)
    assert split.test.num_users == len(split.test) == 1040
    assert len(split.train) == round(0.9 * np.count_nonzero(split.stop > split.start))


def test_two_million_events_take_a_second():
    """Time grows with the events, not with a loop over the 100,000 users."""
    S, per_user = 100_000, 20
    rng = np.random.default_rng(0)
    E = S * per_user
    log = EventLog(
        name="large",
        granularity="user",
        offsets=np.arange(0, E + 1, per_user),
        item=rng.integers(0, 1000, E, dtype=np.int32),
        timestamp=np.sort(rng.integers(0, 100 * DAY, (S, per_user)), axis=1).ravel(),
        feedback=rng.integers(1, 5, E, dtype=np.int8),
        sequence_ids=pa.array(np.arange(S).astype(str)),
        item_ids=pa.array(np.arange(1000).astype(str)),
        station=rng.integers(-1, 3, E, dtype=np.int32),
        station_ids=pa.array(["a", "b", "c"]),
    )
    for granularity in ("user", "session"):
        begin = time.perf_counter()
        split = PaperSplit(cut=70 * DAY)(dataclasses.replace(log, granularity=granularity))
        # Measured at 0.5 s; a loop over users takes tens of seconds.
        assert time.perf_counter() - begin < 10
        assert len(split.validation) > 1000
