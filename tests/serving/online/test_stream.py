"""What `Stream` promises, of both: in one process, among several, and when one is killed."""

import json
import math
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.serving.online.opened import Place
from urep_jax.serving.online.partitions import fair_share, partition_of
from urep_jax.serving.online.parts import Delivery, Lag, Message, Stream


@pytest.fixture
def stream(place: Place) -> Iterator[Stream]:
    opened = place.stream()
    yield opened
    opened.close()


def started(what: str, place: Place) -> subprocess.Popen[str]:
    """Another process that does something with the stream."""
    command = [sys.executable, "-m", "tests.serving.online.opened", what, json.dumps(place)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> list[str]:
    """What a process had told when it was killed."""
    process.send_signal(signal.SIGKILL)
    told, _ = process.communicate()
    return told.splitlines()


def messages(count: int, users: int = 40) -> list[Message]:
    return [Message(f"user {number % users}", str(number).encode()) for number in range(count)]


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.message.body for delivery in deliveries]


def taken(stream: Stream, count: int, most: int = 100, seconds: float = 10.0) -> list[Delivery]:
    """Take until there are so many."""
    until, found = time.monotonic() + seconds, []
    while len(found) < count and time.monotonic() < until:
        found += stream.take(most, 0.1)
    return found


def test_what_is_appended_is_taken_once_and_is_gone_when_done(stream: Stream) -> None:
    assert stream.lag() == Lag(0, None, 0)
    assert stream.take(10, 0.0) == []
    stream.append([Message("zoë ☃", b'{"a": 1}\x00\xff'), Message("b:1", b"")], 12.5)
    stream.append([], 13.0)
    stream.append(messages(1), 14.0)
    assert stream.lag() == Lag(3, 12.5, 0)
    found = taken(stream, 3)
    assert {(one.message, one.accepted_at) for one in found} == {
        (Message("zoë ☃", b'{"a": 1}\x00\xff'), 12.5),
        (Message("b:1", b""), 12.5),
        (messages(1)[0], 14.0),
    }
    assert stream.take(10, 0.05) == [], "they were taken, and this worker lives"
    stream.done(found[:2])
    stream.done([])
    assert stream.lag() == Lag(1, found[2].accepted_at, 0)
    stream.done(found)
    assert stream.lag() == Lag(0, None, 0)


def test_messages_of_a_user_stay_in_order(stream: Stream) -> None:
    sent = messages(300, users=7)
    for start in range(0, 300, 25):
        stream.append(sent[start : start + 25], 0.0)
    found: list[Delivery] = []
    while portion := stream.take(11, 0.1):
        assert len(portion) <= 11
        found += portion
    assert sorted(bodies(found), key=int) == [one.body for one in sent]
    for user in {one.user_id for one in sent}:
        theirs = [one.message.body for one in found if one.message.user_id == user]
        assert theirs == [one.body for one in sent if one.user_id == user]


def test_one_full_partition_does_not_make_portions_small(stream: Stream) -> None:
    stream.append(messages(50, users=1), 0.0)
    assert len(stream.take(40, 1.0)) == 40
    assert bodies(stream.take(40, 1.0)) == [str(number).encode() for number in range(40, 50)]


def test_take_waits_no_longer_than_for_the_first(stream: Stream) -> None:
    stream.take(1, 0.0)
    begin = time.monotonic()
    assert stream.take(1, 0.3) == []
    assert time.monotonic() - begin >= 0.3
    later = threading.Timer(0.1, stream.append, (messages(1), 0.0))
    later.start()
    begin = time.monotonic()
    assert len(stream.take(1, 30.0)) == 1
    assert time.monotonic() - begin < 20.0
    later.join()


def test_many_threads_append_at_once(stream: Stream) -> None:
    sent = messages(200)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: stream.append([one], 0.0), sent))
    assert sorted(bodies(taken(stream, 200)), key=int) == [one.body for one in sent]


def test_the_dead_are_told_latest_first(stream: Stream) -> None:
    stream.append(messages(4), 7.0)
    found = sorted(taken(stream, 4), key=lambda one: int(one.message.body))
    stream.bury([(found[0], "its first word is wrong"), (found[1], "so is ☃")])
    stream.bury([(found[2], "this one too")])
    stream.bury([])
    assert [(one.message, one.reason, one.accepted_at) for one in stream.dead(2)] == [
        (found[2].message, "this one too", 7.0),
        (found[1].message, "so is ☃", 7.0),
    ]
    assert len(stream.dead(10)) == 3
    assert stream.lag() == Lag(1, 7.0, 3)
    stream.done(found[3:])
    stream.bury([(found[3], "done already")])
    assert stream.lag() == Lag(0, None, 3)


def test_forgetting_removes_dead_messages_of_a_user(stream: Stream) -> None:
    stream.append([Message("ann", b"1"), Message("annabel", b"2"), Message("ann", b"3"), Message("bob", b"4")], 0.0)
    found = {one.message.body: one for one in taken(stream, 4)}
    stream.bury([(found[one], "wrong") for one in (b"2", b"3", b"4")])
    assert stream.forget("ann") == 1
    assert stream.forget("ann") == 0
    assert {one.message.user_id for one in stream.dead(9)} == {"annabel", "bob"}
    assert stream.lag() == Lag(1, 0.0, 2), "what waits is the worker's: it may tell of a user who came again"


@pytest.mark.parametrize("user_id", ["ann", 'zoë "☃"'])
def test_forgetting_removes_dead_messages_that_tell_of_a_user_too(stream: Stream, user_id: str) -> None:
    """Such as one that was accepted for another user than it tells of."""
    bodies = [
        json.dumps({"user_id": user_id}),
        json.dumps({"user_id": user_id}, ensure_ascii=False),
        '{"user_id": "an"}',
    ]
    stream.append([Message("bob", body.encode()) for body in [*bodies, bodies[0]]], 0.0)
    *found, waits = sorted(taken(stream, 4), key=lambda one: one.place)
    stream.bury([(one, "for another user") for one in found])
    assert stream.forget(user_id) == 2
    assert [one.message.body.decode() for one in stream.dead(9)] == bodies[2:]
    assert stream.lag().waiting == 1, "what can be used still may be bob's"
    stream.done([waits])


def test_what_a_killed_worker_had_taken_is_delivered_again(place: Place, stream: Stream) -> None:
    stream.append(messages(30), 0.0)
    worker = started("take", place)
    assert worker.stdout is not None
    first = [worker.stdout.readline().strip() for _ in range(12)]
    assert stream.take(30, 0.2) == [], "it lives"
    theirs = first + killed(worker)
    assert len(theirs) == len(set(theirs))
    found = taken(stream, 30)
    assert sorted(map(int, bodies(found))) == list(range(30))
    for user in {one.message.user_id for one in found}:
        numbers = [int(one.message.body) for one in found if one.message.user_id == user]
        assert numbers == sorted(numbers), "in the order in which they were accepted"


def test_workers_share_and_nothing_is_lost_or_taken_twice(place: Place, stream: Stream) -> None:
    workers = [started("work", place) for _ in range(2)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    did: list[list[str]] = [[], []]

    def listen(worker: subprocess.Popen[str], mine: list[str]) -> None:
        assert worker.stdout is not None
        mine.extend(map(str.strip, worker.stdout))

    listening = [threading.Thread(target=listen, args=both) for both in zip(workers, did, strict=True)]
    for one in listening:
        one.start()
    sent, until = messages(100_000), time.monotonic() + 60
    count = 0
    # On a busy machine the second one may come late.
    while count < 600 or (not all(did) and time.monotonic() < until):
        stream.append(sent[count : count + 10], 0.0)
        count += 10
        time.sleep(0.02)
    while stream.lag().waiting and time.monotonic() < until:
        time.sleep(0.02)
    for worker, one in zip(workers, listening, strict=True):
        assert worker.stdin is not None
        worker.stdin.close()
        one.join()
        worker.wait()
        worker.stdout.close()
    assert Counter(did[0] + did[1]) == Counter(one.body.decode() for one in sent[:count])
    assert min(map(len, did)) > 0, "both had something to do"
    assert stream.lag() == Lag(0, None, 0)


def test_a_partition_changes_hands_only_when_its_messages_are_done(place: Place, stream: Stream) -> None:
    stream.append(messages(40), 0.0)
    first = taken(stream, 40)
    other = place.stream()
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        assert other.take(40, 0.05) == []
        assert stream.take(40, 0.05) == []
    stream.done(first)
    stream.append(messages(40), 0.0)
    did: list[list[Delivery]] = [[], []]
    while sum(map(len, did)) < 40 and time.monotonic() < until + 10:
        for worker, mine in zip((stream, other), did, strict=True):
            found = worker.take(3, 0.05)
            mine += found
            worker.done(found)
    assert Counter(bodies(did[0] + did[1])) == Counter(one.body for one in messages(40))
    assert did[1], "what the first was done with, it shares"
    other.close()
    stream.append(messages(40), 0.0)
    assert len(taken(stream, 40)) == 40, "who leaves gives back"


def test_what_was_accepted_before_a_kill_is_there(place: Place) -> None:
    stream = place.stream()
    for _ in range(20):
        process = started("append", place)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.02)
        accepted = int([first.strip(), *killed(process)][-1])
        found = taken(stream, accepted)
        found += stream.take(1000, 0.0)
        numbers = sorted(map(int, bodies(found)))
        # More may be there: a post that was accepted while the process could no longer tell, but all of it.
        whole = [end for end in _ends() if end <= accepted + 7]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) >= accepted
        assert len(numbers) in whole
        stream.done(found)
    assert stream.lag().waiting == 0
    stream.close()


def _ends() -> list[int]:
    """After how many messages a post of `opened.append` ends."""
    ends = [0]
    for post in range(20_000):
        ends.append(ends[-1] + post % 7 + 1)
    return ends


def test_a_stream_keeps_its_number_of_partitions(place: Place, stream: Stream) -> None:
    with pytest.raises(ValueError, match="partitions is 5, but the stream was made with 4; open it with partitions=4"):
        place.stream(5)
    with pytest.raises(ValueError, match="partitions is 0; it must be from 1 to 1024"):
        place.stream(0)


@pytest.mark.parametrize("partitions", [1, 3, 16])
def test_shares_are_all_partitions_once_and_even(partitions: int) -> None:
    for workers in range(1, 20):
        shares = [fair_share(rank, workers, partitions) for rank in range(workers)]
        assert sorted(one for share in shares for one in share) == list(range(partitions))
        assert max(map(len, shares)) == math.ceil(partitions / workers)


def test_partitions_are_even() -> None:
    found = Counter(partition_of(str(number), 16) for number in range(16_000))
    assert len(found) == 16
    assert all(abs(count - 1000) < 5 * math.sqrt(1000) for count in found.values())
