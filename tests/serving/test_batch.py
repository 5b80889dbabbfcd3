"""Answers for a whole log are those that each listener gets alone."""

from collections.abc import Iterator

import jax
import numpy as np
import pyarrow as pa
import pytest

from tests.training.tiny import tiny_log
from urep_jax.data.sequences import SequenceConfig
from urep_jax.data.vocabulary import UNKNOWN, Vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.serving.batch import LeaveOut, Listeners, rank_block, recommend_block
from urep_jax.serving.events import events_of
from urep_jax.serving.recommender import Recommender

LOG = tiny_log()
# One item of the log is new to the model, and so is one of its two stations.
KNOWN = Vocabulary(LOG.item_ids[1:], LOG.station_ids[:1], LOG.device_ids)


def model() -> Recommender:
    cfg = TransformerConfig(len(KNOWN.item_ids), 1, max_length=8, width=8)
    params = transformer.init(jax.random.key(1), cfg)
    params["tables"]["item"] = params["tables"]["item"].at[UNKNOWN].set(0.1)
    return Recommender(params, cfg, SequenceConfig(max_length=8), KNOWN, cfg.num_items)


MODEL = model()
LISTENERS = Listeners(MODEL, LOG)


def stations_heard(sequence: int) -> list[str]:
    heard = np.unique(LOG.station[LOG.offsets[sequence] : LOG.offsets[sequence + 1]])
    return LOG.station_ids.take(heard[heard >= 0]).to_pylist()


def events(user: str) -> pa.Table:
    """What is known of a listener of the log."""
    sequence = LOG.sequence_ids.to_pylist().index(user)
    return events_of(LOG, LOG.offsets[sequence], LOG.offsets[sequence + 1])


def answers(table: pa.Table) -> Iterator[tuple[tuple[str, str], list[str], list[float]]]:
    """The answers of each listener on each station, in order of place."""
    rows = table.to_pylist()
    for key in dict.fromkeys((row["user_id"], row["station_id"]) for row in rows):
        own = sorted((row for row in rows if (row["user_id"], row["station_id"]) == key), key=lambda row: row["place"])
        assert [row["place"] for row in own] == list(range(1, len(own) + 1))
        yield key, [row["item_id"] for row in own], [row["score"] for row in own]


@pytest.mark.parametrize("block", [1, 7, 40])
def test_every_listener_is_recommended_what_they_are_alone(block: int) -> None:
    tables = [
        recommend_block(LISTENERS, first, min(first + block, LOG.num_sequences), k=5)
        for first in range(0, LOG.num_sequences, block)
    ]
    found = {key: (items, scores) for key, items, scores in answers(pa.concat_tables(tables))}
    expected = [(LOG.sequence_ids[s].as_py(), station) for s in range(40) for station in stations_heard(s)]
    assert found.keys() == set(expected)
    for user, station in expected[:12]:
        alone = MODEL.recommend(events(user), station, k=5)
        items, scores = found[user, station]
        assert items == alone.items
        np.testing.assert_allclose(scores, alone.scores, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("leave_out", ["ups", "heard", "nothing"])
def test_what_is_left_out_is_left_out_and_nothing_else(leave_out: LeaveOut) -> None:
    everything = len(KNOWN.item_ids)
    for (user, _), items, _ in answers(recommend_block(LISTENERS, 0, 10, k=1000, leave_out=leave_out)):
        known = events(user)
        past = {
            item
            for item, feedback in zip(known["item_id"].to_pylist(), known["feedback"].to_pylist(), strict=True)
            if leave_out == "heard" or (leave_out == "ups" and feedback == "up")
        }
        past &= set(KNOWN.item_ids.to_pylist())
        assert not past & set(items)
        assert len(items) == everything - len(past)


def test_only_what_is_allowed_is_recommended() -> None:
    allowed = np.zeros(len(MODEL.params["tables"]["item"]), bool)
    rows = MODEL.vocabulary.item_rows(KNOWN.item_ids[:3])
    allowed[rows] = True
    table = recommend_block(LISTENERS, 0, 10, k=10, leave_out="nothing", allowed=allowed)
    for _, items, _ in answers(table):
        assert sorted(items) == sorted(KNOWN.item_ids[:3].to_pylist())


def test_candidates_are_ranked_as_for_each_listener_alone() -> None:
    rng = np.random.default_rng(0)
    users, stations = [*LOG.sequence_ids.to_pylist()[:5], "stranger"], [*LOG.station_ids.to_pylist(), None, "odd"]
    pairs = [(user, station) for user in users for station in stations]
    items = [*LOG.item_ids.to_pylist()[:6], "never heard"]
    rows = [{"user_id": u, "station_id": s, "item_id": i} for u, s in pairs for i in items]
    mixed = pa.Table.from_pylist([rows[i] for i in rng.permutation(len(rows))])
    listeners = Listeners(MODEL, LOG, pa.array(["odd"]))
    ranked = rank_block(listeners, mixed)
    assert ranked.select(mixed.column_names).equals(mixed), "the rows are as they were"
    for (user, station), found, scores in answers(ranked):
        known = events(user) if user != "stranger" else {"item_id": [], "feedback": []}
        alone = MODEL.rank(known, items, station)
        assert scores[-2:] == [None, None]
        np.testing.assert_allclose(np.array(scores, float), alone.scores, rtol=1e-5, atol=1e-7)
        assert set(found[-2:]) == {LOG.item_ids[0].as_py(), "never heard"}, "what is unknown comes last"
        assert found[:-2] == alone.items[:-2]


def test_without_stations_a_listener_is_asked_once() -> None:
    table = pa.table({"user_id": LOG.sequence_ids.take([0, 0, 1]), "item_id": LOG.item_ids.take([1, 2, 1])})
    ranked = rank_block(LISTENERS, table)
    alone = MODEL.rank(events("s0"), LOG.item_ids.take([1, 2]))
    np.testing.assert_allclose(sorted(ranked["score"].to_numpy()[:2])[::-1], alone.scores, rtol=1e-5)
    assert sorted(ranked["place"].to_pylist()[:2]) == [1, 2]
    assert ranked["place"].to_pylist()[2] == 1


def test_what_cannot_be_answered_is_refused() -> None:
    with pytest.raises(ValueError, match="k is 0, but must be at least 1"):
        recommend_block(LISTENERS, 0, 1, k=0)
    with pytest.raises(ValueError, match="leave_out is 'all', but must be one of ups, heard, nothing"):
        recommend_block(LISTENERS, 0, 1, leave_out="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 candidates have no item_id"):
        rank_block(LISTENERS, pa.table({"user_id": ["a"], "item_id": pa.array([None], pa.string())}))
