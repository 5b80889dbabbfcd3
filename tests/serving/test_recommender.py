"""Ranking and recommending, with parameters drawn at random."""

import dataclasses
import re
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest

from urep_jax.data.sequences import SequenceConfig
from urep_jax.data.vocabulary import FIRST_ITEM, UNKNOWN, Vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.serving.recommender import Recommender
from urep_jax.training.warm_start import with_new_items

ITEMS = [f"i{number}" for number in range(20)]
EVENTS = {
    "item_id": ["i1", "i2", "i3", "new", "i5", "i1"],
    "feedback": ["up", "skip", "up", "up", "down", "up"],
    "station_id": ["jazz", "jazz", "odd", None, "rock", "rock"],
    "timestamp": [10, 20, 30, 40, 50, 60],
}


def recommender(max_length: int = 8, **model: Any) -> Recommender:
    vocabulary = Vocabulary(pa.array(ITEMS), pa.array(["jazz", "rock"]), pa.array(["car"]))
    cfg = TransformerConfig(len(ITEMS), 2, 1, max_length=max_length, width=8, heads=2, **model)
    params = transformer.init(jax.random.key(1), cfg)
    # A trained unknown row is not zero.
    params["tables"]["item"] = params["tables"]["item"].at[UNKNOWN].set(0.1)
    return Recommender(params, cfg, SequenceConfig(max_length=max_length), vocabulary, cfg.num_items)


MODEL = recommender()


def columns(order: Any) -> dict[str, list]:
    return {name: [values[i] for i in order] for name, values in EVENTS.items()}


def test_scores_are_products_with_the_item_table() -> None:
    ranking = MODEL.rank(EVENTS, ["i4", "i7", "i1"], "jazz")
    table_RxD = np.asarray(MODEL.params["tables"]["item"])
    rows = {"i4": FIRST_ITEM + 4, "i7": FIRST_ITEM + 7, "i1": FIRST_ITEM + 1}
    vector_D = MODEL.encode(EVENTS, "jazz")
    expected = {item: float(table_RxD[row] @ vector_D) for item, row in rows.items()}
    assert ranking.items == sorted(expected, key=expected.__getitem__, reverse=True)
    np.testing.assert_allclose(ranking.scores, sorted(expected.values(), reverse=True), rtol=1e-5, atol=1e-7)


def test_candidates_in_another_order_rank_the_same() -> None:
    ranking, mixed = MODEL.rank(EVENTS, ITEMS), MODEL.rank(EVENTS, np.random.default_rng(0).permutation(ITEMS))
    assert ranking.items == mixed.items
    np.testing.assert_array_equal(ranking.scores, mixed.scores)


def test_what_training_never_saw_comes_last_without_a_score() -> None:
    worst = MODEL.rank(EVENTS, ITEMS).items[-1]
    for score in (-10.0, 10.0):
        params = MODEL.params | {"tables": dict(MODEL.params["tables"])}
        params["tables"]["item"] = params["tables"]["item"].at[UNKNOWN].set(score * MODEL.encode(EVENTS))
        ranking = dataclasses.replace(MODEL, params=params).rank(EVENTS, ["y", worst, "x", "y"])
        assert ranking.items == [worst, "y", "x", "y"]
        np.testing.assert_array_equal(np.isnan(ranking.scores), [False, True, True, True])
        assert ranking.unknown.candidates == ("y", "x")


def test_timestamps_order_the_events_and_plays_are_not_read() -> None:
    vector = MODEL.encode(EVENTS, "rock")
    np.testing.assert_array_equal(MODEL.encode(columns([5, 0, 3, 1, 4, 2]), "rock"), vector)
    untimed = {name: values for name, values in EVENTS.items() if name != "timestamp"}
    np.testing.assert_array_equal(MODEL.encode(untimed, "rock"), vector)
    played = columns([0, 1, 2, 2, 3, 4, 5])
    played["feedback"][2] = "play"
    np.testing.assert_array_equal(MODEL.encode(played, "rock"), vector)
    assert np.abs(MODEL.encode({**untimed, "item_id": untimed["item_id"][::-1]}, "rock") - vector).max() > 1e-3


def test_only_the_latest_events_and_the_station_count() -> None:
    many = columns([*range(6), *range(6)])
    del many["timestamp"]
    longer = {name: [*values[:3], *values] for name, values in many.items()}
    np.testing.assert_array_equal(MODEL.encode(many, "jazz"), MODEL.encode(longer, "jazz"))
    assert np.abs(MODEL.encode(many, "jazz") - MODEL.encode(many, "rock")).max() > 1e-3
    np.testing.assert_array_equal(MODEL.encode(many, "odd"), MODEL.encode(many, "odder"))


def test_length_changes_nothing() -> None:
    params = dict(MODEL.params, body=dict(MODEL.params["body"]))
    params["body"]["position"] = np.pad(params["body"]["position"], ((24, 0), (0, 0)))
    cfg = dataclasses.replace(MODEL.cfg, max_length=32)
    longer = Recommender(params, cfg, SequenceConfig(max_length=32), MODEL.vocabulary, cfg.num_items)
    np.testing.assert_allclose(longer.encode(EVENTS, "jazz"), MODEL.encode(EVENTS, "jazz"), atol=1e-6)


def test_recommendations_are_known_items_less_the_ups() -> None:
    best = MODEL.rank(EVENTS, ITEMS, "jazz")
    recommended = MODEL.recommend(EVENTS, "jazz", k=1000)
    assert recommended.items == [item for item in best.items if item not in ("i1", "i3")]
    with_ups = MODEL.recommend(EVENTS, "jazz", k=1000, exclude_ups=False)
    assert with_ups.items == best.items
    np.testing.assert_allclose(with_ups.scores, best.scores, rtol=1e-5, atol=1e-7)
    assert MODEL.recommend(EVENTS, "jazz", k=3).items == recommended.items[:3]


def test_ups_from_before_the_input_are_left_out_too() -> None:
    events = {"item_id": ITEMS, "feedback": ["up"] * len(ITEMS)}
    assert MODEL.recommend(events).items == []
    assert len(MODEL.recommend(events, exclude_ups=False).items) == 10


def test_many_listeners_are_answered_as_each_is_alone() -> None:
    rng = np.random.default_rng(0)
    listeners = [columns(sorted(rng.permutation(6)[:size])) for size in [0, 6, *rng.integers(0, 7, 70)]]
    stations = [*rng.choice(np.array(["jazz", "rock", "odd", None], object), len(listeners))]
    together = MODEL.recommend_many(listeners, stations, k=4)
    for listener, station, ranking in zip(listeners[:9], stations, together, strict=False):
        alone = MODEL.recommend(listener, station, k=4)
        assert (alone.items, alone.unknown) == (ranking.items, ranking.unknown)
        np.testing.assert_allclose(alone.scores, ranking.scores, atol=1e-6)
    assert len(together) == 72
    assert MODEL.recommend_many(listeners[:1])[0].items == MODEL.recommend(listeners[0]).items
    assert MODEL.recommend_many([]) == []


def test_what_is_unknown_is_counted() -> None:
    assert MODEL.rank(EVENTS, ["i1"]).unknown == (1, 1, ())
    assert MODEL.recommend(EVENTS, "odder").unknown == (1, 2, ())


def test_of_a_new_listener_only_the_station_is_known() -> None:
    new = {"item_id": [], "feedback": []}
    assert len(MODEL.recommend(new, "jazz", k=7).items) == 7
    assert np.abs(MODEL.encode(new, "jazz") - MODEL.encode(new)).max() > 1e-3
    np.testing.assert_array_equal(MODEL.encode(new), MODEL.encode({"item_id": ["i1"], "feedback": ["play"]}))


def traces_of(name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one each time that the model's function is traced."""
    function, traces = getattr(transformer, name), []

    def counted(*args: Any) -> Any:
        traces.append(1)
        return function(*args)

    monkeypatch.setattr(transformer, name, counted)
    return traces


def fresh_model(width: int) -> Recommender:
    """A model of a size that nothing was compiled for before."""
    vocabulary = MODEL.vocabulary
    cfg = TransformerConfig(len(ITEMS), 2, 1, max_length=8, width=width)
    return Recommender(transformer.init(jax.random.key(0), cfg), cfg, MODEL.sequences, vocabulary, cfg.num_items)


def test_histories_of_any_length_are_traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoded, scored = fresh_model(10), traces_of("encode", monkeypatch), traces_of("score", monkeypatch)
    for size in range(20):
        events = {"item_id": ITEMS[:size], "feedback": ["up", "skip"] * (size // 2) + ["down"] * (size % 2)}
        model.rank(events, ITEMS[:7], "jazz")
        model.recommend(events, k=3)
    assert (len(encoded), len(scored)) == (1, 1)


def test_few_numbers_of_candidates_and_listeners_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoded, scored = fresh_model(12), traces_of("encode", monkeypatch), traces_of("score", monkeypatch)
    for count in range(1, 9):
        model.rank(EVENTS, ITEMS[:count])
        model.recommend_many([EVENTS] * count)
    assert (len(encoded), len(scored)) == (4, 4)


def test_feedback_embeddings_are_there_to_be_looked_at() -> None:
    embeddings = MODEL.feedback_embeddings
    assert list(embeddings) == ["up", "down", "skip"]
    up, down = embeddings["up"], embeddings["down"]
    expected = up @ down / np.linalg.norm(up) / np.linalg.norm(down)
    np.testing.assert_allclose(MODEL.feedback_cosines()["up_down"], expected, rtol=1e-5)
    without = recommender(feedback=False)
    for ask in (without.feedback_cosines, lambda: without.feedback_embeddings):
        with pytest.raises(ValueError, match="feedback is false in this model's config"):
            ask()


def test_the_hour_needs_a_timestamp() -> None:
    model = recommender(hour=True, device=True)
    assert np.abs(model.encode(EVENTS) - model.encode({**EVENTS, "utc_offset": [7200] * 6})).max() > 1e-4
    assert np.abs(model.encode(EVENTS) - model.encode({**EVENTS, "device": ["car"] * 6})).max() > 1e-4
    model.encode({"item_id": [], "feedback": []})
    with pytest.raises(ValueError, match="no 'timestamp', but this model reads the hour of the day; add the column"):
        model.encode({"item_id": ["i1"], "feedback": ["up"]})


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: MODEL.rank(EVENTS, []), "candidates is empty, but must hold at least one item to rank"),
        (lambda: MODEL.rank(EVENTS, ["i1", ""]), "candidates has no value at 1 (counted from 0)"),
        (lambda: MODEL.rank({"item_id": ["i1"]}, ["i1"]), "the events lack 'feedback'"),
        (lambda: MODEL.rank(EVENTS, "i1"), "candidates is 'i1', a str, but must be a list or an array; put a single"),
        (lambda: MODEL.recommend(EVENTS, k=0), "k is 0, but must be at least 1"),
        (lambda: MODEL.recommend_many([EVENTS], []), "stations has 0 entries for 1 listeners; give one for each"),
        (lambda: MODEL.recommend_many([EVENTS, {**EVENTS, "item_id": []}]), "listener 1 (counted from 0): the events'"),
        (
            lambda: dataclasses.replace(MODEL, cfg=dataclasses.replace(MODEL.cfg, num_items=21)),
            "the vocabulary holds 20 items, but the model was trained with 21",
        ),
    ],
)
def test_wrong_questions_are_refused(ask: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        ask()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: MODEL.rank([EVENTS], ["i1"]), "the events are a list, [{'item_id': "),
        (lambda: MODEL.rank(EVENTS, {"i1": 1}), "candidates is {'i1': 1}, a dict, but must be a list or an array"),
        (lambda: MODEL.recommend(EVENTS, k=3.0), "k is 3.0, but must be a whole number of items to recommend; give an"),
        (lambda: MODEL.recommend(EVENTS, k="3"), "k is '3', but must be a whole number"),
        (lambda: MODEL.recommend_many(EVENTS), "listeners is a dict of columns, but must be a list with the events of"),
    ],
)
def test_what_is_of_another_type_is_refused(ask: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        ask()


def test_a_recommender_that_grows_stays_in_its_space() -> None:
    more = Vocabulary(
        pa.concat_arrays([MODEL.vocabulary.item_ids, pa.array(["new"])]),
        MODEL.vocabulary.station_ids,
        MODEL.vocabulary.device_ids,
    )
    cfg = dataclasses.replace(MODEL.cfg, num_items=len(ITEMS) + 1)

    def grown(params: Any, trained_items: int = len(ITEMS)) -> Recommender:
        return Recommender(params, cfg, MODEL.sequences, more, trained_items)

    params = with_new_items(MODEL.params, cfg.num_items)
    assert grown(params).space == MODEL.space
    params["tables"]["item"][-1] = 1.0
    assert grown(params).space == MODEL.space, "whatever is learnt of what has come in"
    others = [grown(params, len(ITEMS) + 1)]
    for place in (("tables", "item"), ("tables", "station"), ("body", "position")):
        changed = jax.tree.map(np.array, params)
        changed[place[0]][place[1]][FIRST_ITEM] += 1.0
        others.append(grown(changed))
    assert len({MODEL.space.id, *(other.space.id for other in others)}) == 5
    old = {name: [values[i] for i in (0, 1, 2, 4, 5)] for name, values in EVENTS.items()}
    was, now = MODEL.rank(old, ITEMS, "jazz"), grown(params).rank(old, ITEMS, "jazz")
    assert was.items == now.items
    np.testing.assert_array_equal(was.scores, now.scores)
    assert MODEL.rank(old, ["new"]).unknown.candidates == ("new",)
    assert np.isfinite(grown(params).rank(old, ["new"]).scores).all()
    for wrong in (0, len(ITEMS) + 2):
        with pytest.raises(ValueError, match=f"trained_items is {wrong}, but must be from 1 to the number of items"):
            grown(params, wrong)
