"""Features against a loop over events, and what must not reach them."""

import dataclasses
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.user_features.listeners import (
    COUNTRIES,
    DEVICES,
    ITEMS,
    LANGUAGES,
    NOW,
    artists_of,
    inputs,
    log_of,
    modalities,
    tables,
)
from urep_jax.core.types import SECONDS_PER_DAY as DAY
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of
from urep_jax.data.user_features.features import feature_groups, user_features
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.inputs import Inputs, read_inputs, words_of

CFG = FeatureConfig()


def by_hand(given: Inputs, user: int, time: int, cfg: FeatureConfig = CFG) -> dict[str, list[float]]:
    """Features of one user, event by event and row by row, from the tables themselves."""
    log, told = given.log, tables(0)
    events = [e for e in range(log.offsets[user], log.offsets[user + 1]) if log.timestamp[e] < time]
    vectors = [dict(zip(one.item_ids.to_pylist(), one.vectors, strict=True)) for one in modalities()]
    names = [one.name for one in modalities()]
    found: dict[str, list[float]] = {}

    def share(e: int) -> float:
        feedback, ratio = log.feedback[e], float(log.played_ratio[e])
        if feedback == Feedback.DOWN:
            return 0.0
        if feedback == Feedback.UP:
            return 1.0
        if not math.isnan(ratio):
            return ratio
        return 0.0 if feedback == Feedback.SKIP else 1.0

    def mean(pairs: list[tuple[float, np.ndarray]], width: int) -> tuple[list[float], list[float]]:
        weight = sum(w for w, _ in pairs)
        if not weight > 0:
            return [math.nan] * width, [0.0]
        return list(sum(w * v for w, v in pairs) / weight), [1.0]

    for days in cfg.windows:
        recent = [e for e in events if log.timestamp[e] >= time - days * DAY]
        for name, own in zip(names, vectors, strict=True):
            pairs = [(share(e), own[f"item {log.item[e]}"]) for e in recent if f"item {log.item[e]}" in own]
            width = len(next(iter(own.values())))
            found[f"{name}/{days}d"], found[f"{name}/{days}d/known"] = mean(pairs, width)
        kinds = ((Feedback.PLAY, Feedback.UP), (Feedback.UP,), (Feedback.SKIP,))
        found[f"activity/{days}d"] = [math.log1p(sum(log.feedback[e] in kind for e in recent)) for kind in kinds]
    found["activity/pause"] = [math.log1p((time - log.timestamp[events[-1]]) / DAY) if events else math.nan]
    found["activity/known"] = [float(bool(events))]
    recent = [e for e in events if log.timestamp[e] >= time - cfg.windows[-1] * DAY]
    by_device = [sum(share(e) for e in recent if log.device[e] == d) for d in range(len(DEVICES))]
    found["devices"] = [x / sum(by_device) if sum(by_device) else 0.0 for x in by_device]

    row = {r["user_id"]: r for r in told["users"].to_pylist()}.get(f"user {user}", {})
    found["country"] = [float(row.get("country") == word) for word in COUNTRIES]
    found["plan"] = [float(row.get("plan") == word) for word in ("free", "premium")]
    age, registered = row.get("age"), row.get("registered_at")
    found["age"], found["age/known"] = [math.nan if age is None else age], [float(age is not None)]
    there = registered is not None and registered <= time
    found["tenure"] = [math.log1p((time - registered) / DAY) if there else math.nan]
    found["tenure/known"] = [float(there)]

    answer = {r["user_id"]: r for r in told["onboarding"].to_pylist()}.get(f"user {user}")
    asked = answer is not None and 0 <= time - answer["timestamp"] < cfg.onboarding_days * DAY
    artist_of = {r["item_id"]: r["artist_id"] for r in told["items"].to_pylist()}
    for name, own in zip(names, vectors, strict=True):
        pairs = []
        for artist in (answer["artists"] or []) if asked else []:
            theirs = [vector for item, vector in own.items() if artist_of[item] == artist]
            pairs += [(1.0, np.mean(theirs, axis=0))] if theirs else []
        width = len(next(iter(own.values())))
        found[f"onboarding/{name}"], found[f"onboarding/{name}/known"] = mean(pairs, width)
    languages = (answer["languages"] or []) if asked else []
    found["onboarding/languages"] = [float(word in languages) for word in LANGUAGES]
    found["onboarding/languages/known"] = [float(bool(languages))]
    return found


@pytest.mark.parametrize("days_ago", [0, 3, 100, 299, 301])
def test_features_are_what_a_loop_over_events_finds(days_ago: int) -> None:
    given = inputs()
    users = np.arange(given.log.num_sequences)
    time = np.full(len(users), NOW - days_ago * DAY)
    x = user_features(given, users, time, CFG)
    groups = feature_groups(given, CFG)
    assert x.shape == (len(users), sum(group.width for group in groups))
    for user in users:
        expected = by_hand(given, user, int(time[user]))
        start = 0
        for group in groups:
            own, start = x[user, start : start + group.width], start + group.width
            np.testing.assert_allclose(own, expected[group.name], rtol=2e-5, atol=1e-6, err_msg=f"{user} {group.name}")
        assert expected.keys() == {group.name for group in groups}


def changed_from(log: EventLog, time: int, seed: int) -> EventLog:
    """The log with other events from a moment on: others are heard, some are gone, some are new."""
    rng, other = np.random.default_rng(seed), log_of(seed + 1)
    pieces = []
    for user in range(log.num_sequences):
        before = np.flatnonzero(log.timestamp[log.offsets[user] : log.offsets[user + 1]] < time) + log.offsets[user]
        start, stop = other.offsets[user : user + 2]
        after = np.arange(start, stop)[(other.timestamp[start:stop] >= time) & (rng.random(stop - start) < 0.7)]
        pieces.append((before, after))
    columns = {
        name: np.concatenate([np.append(column[a], dict(other.columns())[name][b]) for a, b in pieces])
        for name, column in log.columns()
    }
    offsets = offsets_of(np.array([len(a) + len(b) for a, b in pieces]))
    return dataclasses.replace(log, offsets=offsets, **columns)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), when=st.integers(0, NOW))
def test_nothing_after_the_moment_can_reach_them(seed: int, when: int) -> None:
    log, told = log_of(seed), tables(seed)
    # Who registers and answers later will do otherwise, too.
    later = told["onboarding"]["timestamp"].to_numpy() > when
    answers = told["onboarding"].to_pydict()
    answers["artists"] = [["artist 1"] if late else own for own, late in zip(answers["artists"], later, strict=True)]
    answers["languages"] = [["pt"] if late else own for own, late in zip(answers["languages"], later, strict=True)]
    other_told = told | {"onboarding": pa.table(answers, schema=told["onboarding"].schema)}
    here = read_inputs(log, modalities(), artists_of(told), tables=told)
    there = read_inputs(
        changed_from(log, when, seed), modalities(), artists_of(told), tables=other_told, words=words_of(here)
    )
    users = np.arange(log.num_sequences)
    time = np.full(len(users), when)
    np.testing.assert_array_equal(user_features(here, users, time, CFG), user_features(there, users, time, CFG))


@pytest.mark.parametrize("windows", [(1,), (7, 30), (7, 30, 182)])
def test_what_is_out_of_reach_plays_no_role_but_for_the_latest_event(windows: tuple[int, ...]) -> None:
    """What the last second of the reach holds does, what the second before it holds does not."""
    cfg = FeatureConfig(windows)
    assert cfg.reach == max(windows) * DAY

    def x(*times: int) -> np.ndarray:
        log = dataclasses.replace(
            log_of(0, rich=False),
            offsets=np.array([0, len(times)]),
            item=np.array([time % ITEMS for time in times], np.int32),
            timestamp=np.array(times),
            feedback=np.full(len(times), Feedback.UP, np.int8),
            sequence_ids=pa.array(["user 0"]),
        )
        given = read_inputs(log, modalities(), artists_of(None))
        return user_features(given, np.array([0]), np.array([NOW]), cfg)

    out, within = NOW - cfg.reach - 1, NOW - cfg.reach
    np.testing.assert_array_equal(x(out - 5 * DAY, out, NOW - 60), x(NOW - 60))
    np.testing.assert_array_equal(x(out - 5 * DAY, out), x(out))
    assert (x(within, NOW - 60) != x(NOW - 60)).any()
    assert (x(out)[~np.isnan(x(out))] != x(out - DAY)[~np.isnan(x(out - DAY))]).any(), "for how long nothing was heard"


def test_a_user_alone_has_the_features_that_they_have_among_others() -> None:
    given = inputs()
    users = np.array([3, 1, 3, 0])
    time = np.array([NOW, NOW // 2, NOW // 3, NOW])
    together = user_features(given, users, time, CFG)
    alone = [user_features(given, users[i : i + 1], time[i : i + 1], CFG)[0] for i in range(4)]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_a_bare_log_has_features_too() -> None:
    given = read_inputs(log_of(0, rich=False), modalities(), artists_of(None))
    x = user_features(given, np.arange(24), np.full(24, NOW), CFG)
    names = {group.name for group in feature_groups(given, CFG)}
    assert not names & {"devices", "country", "plan"}
    assert x.shape[1] == sum(group.width for group in feature_groups(given, CFG))
    assert np.isfinite(x[:, :4]).any(), "some have listened to something with a vector"


def test_a_trained_models_words_decide_what_is_told() -> None:
    """Of a log with other countries, devices and languages, those that the model doesn't know are unknown."""
    given = inputs()
    words = words_of(given)
    log = log_of(0)
    strange = dataclasses.replace(log, device_ids=pa.array(["car", "phone"]))
    told = tables(0)
    people = told["users"].to_pydict()
    people["country"] = ["FR" if country == "DE" else country for country in people["country"]]
    told["users"] = pa.table(people, schema=told["users"].schema)
    there = read_inputs(strange, modalities(), artists_of(told), tables=told, words=words)
    assert feature_groups(there, CFG) == feature_groups(given, CFG)
    users, time = np.arange(24), np.full(24, NOW)
    a, b = (user_features(one, users, time, CFG) for one in (given, there))
    start = 0
    for group in feature_groups(given, CFG):
        own, start = slice(start, start + group.width), start + group.width
        if group.name == "country":
            assert not b[:, own][:, COUNTRIES.index("DE")].any()
            assert a[:, own][:, COUNTRIES.index("DE")].any()
        elif group.name == "devices":
            assert not b[:, own][:, DEVICES.index("desktop")].any()
        else:
            np.testing.assert_array_equal(a[:, own], b[:, own], err_msg=group.name)


@pytest.mark.parametrize(
    ("without", "gone"),
    [
        ("onboarding", "onboarding/"),
        ("7d", "/7d"),
        ("audio", "audio"),
        ("country", "country"),
        ("activity", "activity"),
    ],
)
def test_groups_are_switched_off_by_name(without: str, gone: str) -> None:
    given = inputs()
    cfg = FeatureConfig(without=(without,))
    whole, kept = (feature_groups(given, c) for c in (CFG, cfg))
    assert kept == tuple(group for group in whole if gone not in group.name)
    assert len(kept) < len(whole)
    columns = np.repeat([gone not in group.name for group in whole], [group.width for group in whole])
    users, time = np.arange(24), np.full(24, NOW)
    x, y = (user_features(given, users, time, c) for c in (CFG, cfg))
    np.testing.assert_array_equal(y, x[:, columns])


def test_what_cannot_be_is_refused() -> None:
    given = inputs()
    with pytest.raises(ValueError, match=r"features\.without names 9d, but must be some of .*182d, 30d, 7d, activity"):
        feature_groups(given, FeatureConfig(without=("9d",)))
    with pytest.raises(ValueError, match=r"windows is \(30, 7\), but must be days from 1 on, ascending"):
        FeatureConfig(windows=(30, 7))
    with pytest.raises(ValueError, match="onboarding_days is -1, but must be at least 0"):
        FeatureConfig(onboarding_days=-1)


def test_every_group_tells_something_of_some_listener() -> None:
    """Else the tests above would see nothing."""
    given = inputs()
    x = user_features(given, np.arange(24), np.full(24, NOW), FeatureConfig(onboarding_days=10_000))
    start = 0
    for group in feature_groups(given, CFG):
        own, start = x[:, start : start + group.width], start + group.width
        assert np.nan_to_num(own).any(), group.name
