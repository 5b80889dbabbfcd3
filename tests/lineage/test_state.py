"""Transitions of one chain: what each does, and what is refused."""

import dataclasses
import math
from collections.abc import Callable

import pytest

from tests.lineage.chains import DAY, batch, began, ids, registered, whole
from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch, Reader
from urep_jax.lineage.errors import LineageError, Mixed, Stale, StillRead, StillServes, Unknown
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.slots import Slots
from urep_jax.lineage.state import Lineage

TWO = ModelGraph({"audio": (), "users": ("audio",)})


def grown(*rotations: tuple[str, ...], graph: ModelGraph = TWO) -> Lineage:
    """A chain after rotations of batches `users-3`, each trained on what is current or named before it in its tuple."""
    lineage = Lineage(graph)
    for rotation in rotations:
        new: dict[str, str] = {}
        for space_id in rotation:
            model = space_id.rpartition("-")[0]
            read = [new.get(p) or lineage.current[p].space_id for p in graph.parents[model]]
            lineage, _ = lineage.register(batch(space_id, *read))
            new[model] = space_id
        lineage, _ = lineage.rotate(rotation, 0)
    return lineage


def test_the_first_batch_is_current_at_once_if_its_parents_are() -> None:
    audio, users = batch("audio-1"), batch("users-1", "audio-1")
    waits, event = Lineage(TWO).register(users)
    assert event is not None
    assert event.details == {"batch": users.plain(), "current": False}
    assert (waits.current, waits.trained) == ({}, {"users-1": users})
    both, event = waits.register(audio)
    assert event is not None
    assert event.details["current"]
    assert (both.current, both.trained) == ({"audio": audio}, {"users-1": users})
    assert both.rotate(["users-1"], 0)[0].current == {"audio": audio, "users": users}
    assert registered(Lineage(TWO), audio, users).current == {"audio": audio, "users": users}


def test_a_batch_of_a_space_has_its_direct_parents() -> None:
    audio, collaborative = Space("audio-a"), Space("collaborative-c")
    users = Space("users-b", (collaborative, audio))
    assert Batch.of(Space("listening-d", (users, collaborative, audio)), 7, "run") == Batch(
        "listening",
        "listening-d",
        {"users": "users-b", "collaborative": "collaborative-c", "audio": "audio-a"},
        7,
        "run",
    )
    assert Batch(**Batch.of(users, 7, "run").plain()) == Batch.of(users, 7, "run")


def test_registering_again_changes_time_and_folder_only() -> None:
    lineage = grown(("audio-1", "users-1"), ("audio-2",))
    for space_id, slot in (("users-1", "current"), ("audio-1", "legacy"), ("audio-2", "current")):
        old = lineage.slots.batch(space_id)
        assert lineage.register(old) == (lineage, None)
        newer = dataclasses.replace(old, trained_at=9.0, run="elsewhere")
        again, event = lineage.register(newer)
        assert event is not None
        assert (event.action, event.space_ids) == ("refresh", (space_id,))
        assert getattr(again, slot)[old.model] == newer
        assert ids(again.current) == ids(lineage.current)
        assert ids(again.legacy) == ids(lineage.legacy)
    with pytest.raises(
        LineageError, match=r"users-1 is registered as trained on .*audio-1.* another training has anoth"
    ):
        lineage.register(batch("users-1", "audio-2"))


def test_a_rotation_moves_current_to_legacy_and_drops_what_was() -> None:
    lineage = grown(("audio-1", "users-1"), ("audio-2", "users-2"))
    after, event = registered(lineage, batch("audio-3"), batch("users-3", "audio-3")).rotate(["users-3", "audio-3"], 0)
    assert ids(after.current) == {"audio-3", "users-3"}
    assert ids(after.legacy) == {"audio-2", "users-2"}
    assert not after.trained
    assert event is not None
    assert event.space_ids == ("audio-3", "users-3")
    assert event.details == {
        "current": {"audio": "audio-3", "users": "users-3"},
        "legacy": {"audio": "audio-2", "users": "users-2"},
        "dropped": ["audio-1", "users-1"],
    }
    with pytest.raises(
        Unknown, match="'users-1' isn't registered, or was dropped; there is audio-2, audio-3, users-2, u"
    ):
        after.rotate(["users-1"], 0)


def test_rotating_in_what_is_current_changes_nothing() -> None:
    lineage = grown(("audio-1", "users-1"), ("audio-2",))
    assert lineage.rotate(["audio-2"], 0) == (lineage, None)
    assert lineage.rotate([], 0) == (lineage, None)
    users = registered(lineage, batch("users-2", "audio-2"))
    assert users.rotate(["audio-2", "users-2"], 0) == users.rotate(["users-2"], 0)


def test_legacy_and_waiting_batches_go_with_what_they_read() -> None:
    """audio-1 goes when audio-3 comes; users-1 and the training that waits were trained on it."""
    lineage = registered(
        grown(("audio-1", "users-1"), ("audio-2", "users-2")), batch("users-9", "audio-1"), batch("audio-3")
    )
    after, event = lineage.rotate(["audio-3"], 0)
    assert event is not None
    assert event.details["dropped"] == ["audio-1", "users-1", "users-9"]
    assert (ids(after.legacy), ids(after.trained)) == ({"audio-2"}, set())


def test_a_current_batch_keeps_what_it_comes_from() -> None:
    """listening-1 reads users-1, which reads audio-1; dropping audio-1 would take the ground from both."""
    three = ModelGraph({"audio": (), "users": ("audio",), "listening": ("users",)})
    first = grown(("audio-1", "users-1", "listening-1"), graph=three)
    lineage = registered(first, batch("audio-2"), batch("users-2", "audio-2"), batch("audio-3"))
    lineage, _ = lineage.rotate(["audio-2", "users-2"], 0)
    with pytest.raises(StillServes, match=r"listening-1 is current and reads users-1.*retrain 'listening' first"):
        lineage.rotate(["audio-3"], 0)
    ready = registered(lineage, batch("listening-2", "users-2"))
    # In one rotation or after another.
    assert ids(ready.rotate(["audio-3", "listening-2"], 0)[0].legacy) == {"audio-2"}
    assert ids(ready.rotate(["listening-2"], 0)[0].rotate(["audio-3"], 0)[0].legacy) == {"audio-2"}


@pytest.mark.parametrize(
    ("space_ids", "error", "says"),
    [
        (["audio-7"], Unknown, "'audio-7' isn't registered"),
        (["audio-1"], LineageError, "audio-1 is the legacy batch; roll 'audio' back to it"),
        (["audio-3", "audio-4"], LineageError, "audio-3 and audio-4 are of one model"),
        (["audio-2", "audio-3"], LineageError, "audio-2 and audio-3 are of one model"),
        (
            ["users-3"],
            Stale,
            "users-3 was trained on audio-3, but audio-2 is current: retrain 'users' on audio-2, or rota",
        ),
        (["users-3", "audio-4"], Stale, "users-3 was trained on audio-3, but audio-4 is current"),
        (["users-8"], Stale, "users-8 was trained on audio-8, but audio-2 is current: retrain 'users' on audio-2$"),
    ],
)
def test_what_may_not_be_rotated_in(space_ids: list[str], error: type[LineageError], says: str) -> None:
    lineage = registered(
        grown(("audio-1", "users-1"), ("audio-2", "users-2")),
        *(batch("audio-3"), batch("audio-4"), batch("users-3", "audio-3"), batch("users-8", "audio-8")),
    )
    with pytest.raises(error, match=says) as raised:
        lineage.rotate(space_ids, 0)
    assert raised.type is error


def test_without_parents_there_is_nothing_to_rotate_in() -> None:
    waits = registered(Lineage(TWO), batch("users-1", "audio-1"))
    with pytest.raises(Stale, match="no batch of 'audio' is current: train 'audio', then 'users' on it"):
        waits.rotate(["users-1"], 0)


def test_a_reader_keeps_what_it_reads_until_its_time_is_over() -> None:
    lineage = registered(grown(("audio-1", "users-1"), ("audio-2", "users-2")), batch("audio-3"))
    reader = Reader("nightly", frozenset({"users-1"}), until=10.0, host="box", pid=7)
    held = lineage.read(reader)
    says = r"reader 'nightly' \(process 7 on box\) reads users-1, which would be dropped; wait"
    for now in (0.0, 10.0):
        with pytest.raises(StillRead, match=says):
            held.rotate(["audio-3"], now)
    after, _ = held.rotate(["audio-3"], 10.1)
    assert not after.readers
    assert held.release("nightly").rotate(["audio-3"], 0) == lineage.rotate(["audio-3"], 0)
    assert held.release("other") == held
    with pytest.raises(Unknown, match="'users-1' isn't registered"):
        after.read(reader)


def test_a_reader_may_read_what_waits() -> None:
    """A training downstream of one that isn't rotated in yet."""
    lineage = registered(grown(("audio-1", "users-1"), ("audio-2", "users-2")), batch("users-9", "audio-1"))
    held = registered(lineage, batch("audio-3")).read(Reader("training", frozenset({"users-9"}), until=1.0))
    with pytest.raises(StillRead, match="reads users-9"):
        held.rotate(["audio-3"], 0)


def test_a_rollback_takes_along_what_fits() -> None:
    lineage = grown(("audio-1", "users-1"), ("audio-2", "users-2"))
    back, event = lineage.rollback("audio")
    assert (ids(back.current), ids(back.legacy)) == ({"audio-1", "users-1"}, {"audio-2", "users-2"})
    assert event.details == {
        "current": {"audio": "audio-1", "users": "users-1"},
        "legacy": {"audio": "audio-2", "users": "users-2"},
        "kept": {},
    }
    assert not back.due(0)
    assert back.rollback("audio")[0] == lineage


def test_a_rollback_leaves_what_does_not_fit() -> None:
    """users-3 and users-2 were both trained on audio-2: users serves on, with audio-2 as legacy, and is due."""
    lineage = grown(("audio-1", "users-1"), ("audio-2", "users-2"), ("users-3",))
    back, event = lineage.rollback("audio")
    assert event.details["kept"] == {"users": "users-3"}
    assert back.serving("users").spaces == {"users": "users-3", "audio": "audio-2"}
    assert [(one.model, one.reasons) for one in back.due(0)] == [("users", ("reads audio-2, and audio-1 is current",))]
    # One that had not come as far as what is rolled back stays as it is.
    behind = grown(("audio-1", "users-1"), ("audio-2",))
    assert ids(behind.rollback("audio")[0].current) == {"audio-1", "users-1"}
    # So does one that has a legacy batch which would fit.
    twice = grown(("audio-1", "users-1"), ("users-2",), ("audio-2",))
    back, event = twice.rollback("audio")
    assert (ids(back.current), ids(back.legacy)) == ({"audio-1", "users-2"}, {"audio-2", "users-1"})
    assert event.details["kept"] == {}


def test_a_rollback_goes_down_the_whole_chain_or_stops() -> None:
    lineage = registered(began(), *whole(2))
    lineage, _ = lineage.rotate([one.space_id for one in whole(2)], 0)
    assert ids(lineage.rollback("listening")[0].current) == {"collaborative-2", "audio-2", "users-2", "listening-1"}
    # users-1 and listening-1 read collaborative-1, but audio-1 too, and that isn't current.
    back, event = lineage.rollback("collaborative")
    assert ids(back.current) == {"collaborative-1", "audio-2", "users-2", "listening-2"}
    assert event.details["kept"] == {"users": "users-2", "listening": "listening-2"}
    # With audio back too, they fit.
    assert ids(back.rollback("audio")[0].current) == {"collaborative-1", "audio-1", "users-1", "listening-1"}


def test_nothing_to_roll_back_to() -> None:
    with pytest.raises(Unknown, match="'audio' has no legacy batch to go back to; train it anew"):
        grown(("audio-1",)).rollback("audio")
    with pytest.raises(Unknown, match="no model 'video' in the chain; it has audio, users"):
        grown(("audio-1",)).rollback("video")


def test_what_is_due() -> None:
    def told(lineage: Lineage, now: float) -> dict[str, tuple[str, ...]]:
        return {one.model: one.reasons for one in lineage.due(now)}

    empty = Lineage(TWO, {"users": 7})
    assert told(empty, 0) == {"audio": ("never trained",), "users": ("never trained", "after audio")}
    waits = registered(empty, batch("users-1", "audio-1"), batch("audio-1"))
    assert [(one.model, one.reasons, one.waiting) for one in waits.due(0)] == [
        ("users", ("no batch is current",), ("users-1",))
    ]
    lineage, _ = waits.rotate(["users-1"], 0)
    assert told(lineage, 7 * DAY) == {}
    assert told(lineage, 7.25 * DAY) == {"users": ("7.2 days old, of 7",)}
    assert told(lineage, 90 * DAY).keys() == {"users"}
    assert told(lineage, 91 * DAY) == {
        "audio": ("91.0 days old, of 90",),
        "users": ("91.0 days old, of 7", "after audio"),
    }
    assert told(lineage, -1e9) == {}, "a clock that was set back makes nothing old"
    ahead = registered(
        lineage, batch("audio-2", at=5), batch("users-2", "audio-2", at=6), batch("users-3", "audio-1", at=7)
    )
    assert [one.waiting for one in ahead.rotate(["audio-2"], 0)[0].due(0)] == [("users-2",)]


def test_nothing_serves_before_it_is_current() -> None:
    with pytest.raises(Unknown, match="no batch of 'users' is current; train it"):
        grown(("audio-1",)).serving("users")


def test_another_graph_for_the_same_chain() -> None:
    lineage = grown(("audio-1", "users-1"))
    more = ModelGraph({**TWO.parents, "tasks": ("users",)})
    changed, event = lineage.redeclare(more, {"tasks": 1})
    assert event is not None
    assert event.details == {"graph": more.plain(), "cadence": {"tasks": 1}}
    assert (changed.slots, changed.graph) == (lineage.slots, more)
    assert changed.redeclare(more, {"tasks": 1}) == (changed, None)
    assert changed.redeclare(more, {}) == (changed, None), "a cadence that isn't told again stays"
    assert changed.redeclare(more, {"users": 2})[0].cadence == {"tasks": 1, "users": 2}
    assert changed.redeclare(TWO, {})[0] == lineage
    with pytest.raises(Unknown, match="no model 'audio'"):
        lineage.redeclare(ModelGraph({"users": ()}), {})
    with pytest.raises(LineageError, match=r"users-1 was trained on \['audio'\], but 'users' reads nothing; train it"):
        lineage.redeclare(ModelGraph({"audio": (), "users": ()}), {})


AUDIO, USERS = batch("audio-1"), batch("users-1", "audio-1")
DIAMOND = ModelGraph({"audio": (), "users": ("audio",), "tasks": ("users", "audio")})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Lineage(TWO, {"users": 0}), "cadence of 'users' is 0 days, but must be above 0"),
        (lambda: Lineage(TWO, {"users": math.nan}), "cadence of 'users' is nan days"),
        (lambda: Lineage(TWO, {"video": 1}), "no model 'video' in the chain"),
        (lambda: Lineage(TWO, {}, Slots(current={"users": USERS})), "users-1 reads audio-1, which is neither"),
        (lambda: Lineage(TWO, {}, Slots({"audio": AUDIO}, {"audio": AUDIO})), "in two places"),
        (
            lambda: Lineage(
                DIAMOND,
                {},
                Slots(
                    {"audio": batch("audio-2"), "users": USERS, "tasks": batch("tasks-1", "users-1", "audio-2")},
                    {"audio": AUDIO},
                ),
            ),
            "tasks-1 would read both audio-1 and audio-2",
        ),
        (lambda: Lineage(TWO).register(batch("users-1")), "users-1 was trained on nothing, but 'users' reads ..audio"),
        (
            lambda: Lineage(TWO).register(batch("audio-1", "users-1")),
            "audio-1 was trained on ..users.., but 'audio' reads n",
        ),
        (lambda: Lineage(TWO).register(batch("video-1")), "no model 'video' in the chain; it has audio, users"),
    ],
)
def test_no_chain_is_like_this(make: Callable[[], object], says: str) -> None:
    with pytest.raises(LineageError, match=says):
        make()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Batch("users", "audio-1"), "'audio-1' is no space of 'users'; its id must be users- and a digest"),
        (lambda: Batch("users", "users-"), "'users-' is no space"),
        (lambda: Batch("users", "users-1", {"audio": "users-2"}), "'users-2' is no space of 'audio'"),
        (lambda: Batch("users", "users-1", {"users": "users-2"}), "reads a space of its own model"),
        (lambda: Batch("users", "users-1", {}, math.nan), "trained_at is nan"),
        (lambda: Reader("", frozenset({"users-1"}), 0), "needs a name"),
        (lambda: Reader("nightly", frozenset(), 0), "at least one id"),
        (lambda: Reader("nightly", frozenset({"users-1"}), math.nan), "until nan"),
    ],
)
def test_no_batch_or_reader_is_like_this(make: Callable[[], object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_mixed_upstream_is_refused_when_waiting_too() -> None:
    """A first batch whose parents are current, but of two trainings of one model, stays where it is."""
    lineage = Lineage(DIAMOND)
    for one in (AUDIO, USERS, batch("audio-2")):
        lineage, _ = lineage.register(one)
    lineage, _ = lineage.rotate(["audio-2"], 0)
    waits = registered(lineage, batch("tasks-1", "users-1", "audio-2"))
    assert ids(waits.trained) == {"tasks-1"}
    with pytest.raises(
        Mixed, match="tasks-1 would read both audio-1 and audio-2: train or take what reads one batch of"
    ):
        waits.rotate(["tasks-1"], 0)
