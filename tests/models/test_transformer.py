"""Properties of the transformer that hold whatever it has learned."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from urep_jax.core.types import Feedback
from urep_jax.data.sequences import Batch
from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, MASK, NULL_STATION, PAD, UNKNOWN, UNKNOWN_STATION
from urep_jax.models import transformer
from urep_jax.models.fold_in import fold_in
from urep_jax.models.layers import dropout
from urep_jax.models.transformer import TransformerConfig

CFG = TransformerConfig(num_items=20, num_stations=3, num_devices=2, max_length=12, width=16, device=True, hour=True)
CAUSAL = TransformerConfig(num_items=20, max_length=12, width=16, attention="causal")
PARAMS = transformer.init(jax.random.key(0), CFG)


def batch_of(lengths: list[int], width: int = 12, seed: int = 0) -> Batch:
    """Right-aligned rows of random events; the events don't depend on `width`."""
    rng = np.random.default_rng(seed)
    B = len(lengths)

    def column(low: int, high: int, dtype: type = np.int32) -> np.ndarray:
        values = np.zeros((B, width), dtype)
        for row, length in enumerate(lengths):
            values[row, width - length :] = rng.integers(low, high, length)
        return values

    nothing = np.zeros((B, 0), np.int32)
    batch = Batch(
        row=np.arange(B, dtype=np.int32),
        item=column(FIRST_ITEM, FIRST_ITEM + 20),
        station=column(0, FIRST_STATION + 3),
        feedback=column(1, 4, np.int8),
        device=column(0, 3),
        hour=column(1, 25),
        task=nothing,
        target=nothing,
        negative=nothing,
        rung=nothing.astype(np.int8),
    )
    return jax.tree.map(jnp.asarray, batch)


def test_padding_changes_nothing() -> None:
    short, long = batch_of([5, 7], 7), batch_of([5, 7], 12)
    hidden_short, hidden_long = transformer.encode(PARAMS, short, CFG), transformer.encode(PARAMS, long, CFG)
    np.testing.assert_allclose(hidden_short[:, -5:], hidden_long[:, -5:], atol=1e-5)


def test_rows_do_not_see_each_other() -> None:
    both = batch_of([9, 12])
    alone = jax.tree.map(lambda x: x[1:], both)
    np.testing.assert_allclose(
        transformer.encode(PARAMS, both, CFG)[1:], transformer.encode(PARAMS, alone, CFG), atol=1e-5
    )


@pytest.mark.parametrize("cfg", [CFG, dataclasses.replace(CAUSAL, distance=True, heads=2)], ids=["cloze", "causal"])
def test_rounded_operands_move_little_forwards_and_backwards(cfg: TransformerConfig) -> None:
    """As much as 8 bits of a fraction may, and not nothing: the option is heard."""
    batch, half = batch_of([12, 7, 1]), dataclasses.replace(cfg, compute="bfloat16")
    params = transformer.init(jax.random.key(0), cfg)

    def told(cfg: TransformerConfig) -> tuple[jax.Array, dict]:
        def value(params: dict) -> tuple[jax.Array, jax.Array]:
            hidden_BxLxD = transformer.encode(params, batch, cfg)
            return jnp.sum(jnp.sin(hidden_BxLxD)), hidden_BxLxD

        gradient, hidden_BxLxD = jax.jit(jax.grad(value, has_aux=True))(params)
        return hidden_BxLxD, gradient

    (whole, whole_gradient), (rounded, rounded_gradient) = told(cfg), told(half)
    assert rounded.dtype == jnp.float32
    assert 0 < jnp.abs(rounded - whole).max() < 0.05
    for of, other in zip(*map(jax.tree.leaves, (rounded_gradient, whole_gradient)), strict=True):
        assert of.dtype == jnp.float32
        assert jnp.linalg.norm(of - other) <= 0.03 * jnp.linalg.norm(other) + 1e-6


@pytest.mark.parametrize("changed", range(4))
def test_the_future_leaves_a_causal_models_past_untouched(changed: int) -> None:
    params = transformer.init(jax.random.key(0), CAUSAL)
    batch = batch_of([12])
    place = 12 - 1 - 3 * changed
    item = batch.item.at[0, place].set(FIRST_ITEM + (batch.item[0, place] - FIRST_ITEM + 1) % 20)
    before = transformer.encode(params, batch, CAUSAL)
    after = transformer.encode(params, batch._replace(item=item), CAUSAL)
    np.testing.assert_array_equal(before[:, :place], after[:, :place])
    assert not np.allclose(before[:, place:], after[:, place:])


def test_a_bidirectional_model_sees_the_future() -> None:
    batch = batch_of([12])
    item = batch.item.at[0, -1].set(FIRST_ITEM + (batch.item[0, -1] - FIRST_ITEM + 1) % 20)
    before, after = (transformer.encode(PARAMS, b, CFG) for b in (batch, batch._replace(item=item)))
    assert not np.allclose(before[:, 0], after[:, 0])


def test_renaming_items_permutes_scores() -> None:
    renamed = np.random.default_rng(1).permutation(20)
    table = PARAMS["tables"]["item"]
    # The item that was number i is now number renamed[i].
    moved = table.at[FIRST_ITEM + renamed].set(table[FIRST_ITEM:])
    batch = batch_of([8, 12])
    item = jnp.where(batch.item >= FIRST_ITEM, FIRST_ITEM + renamed[batch.item - FIRST_ITEM], batch.item)
    before = transformer.encode(PARAMS, batch, CFG) @ table[FIRST_ITEM:].T
    params = {**PARAMS, "tables": {**PARAMS["tables"], "item": moved}}
    after = transformer.encode(params, batch._replace(item=item), CFG) @ moved[FIRST_ITEM:].T
    np.testing.assert_allclose(before, after[..., renamed], atol=1e-5)


def test_unknown_songs_and_stations_add_nothing_before_they_are_trained() -> None:
    tables = PARAMS["tables"]
    assert not tables["item"][jnp.array([PAD, UNKNOWN])].any()
    assert tables["item"][MASK].any()
    assert not tables["station"][jnp.array([NULL_STATION, UNKNOWN_STATION])].any()


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_a_bias_by_distance_is_added_to_the_scores_of_attention(attention: str) -> None:
    cfg = TransformerConfig(
        20,
        max_length=12,
        width=16,
        heads=2,
        blocks=1,
        attention=attention,
        position=False,
        distance=True,
        feedback=False,
    )
    batch = batch_of([5])
    params = transformer.init(jax.random.key(0), cfg)
    attention_params = params["body"]["block_0"]["attention"]
    assert not attention_params["distance"].any(), "nothing is known of distances at first"
    plain = transformer.encode(params, batch, dataclasses.replace(cfg, distance=False))
    np.testing.assert_array_equal(transformer.encode(params, batch, cfg), plain)
    # A bias so large that each position sees nothing but the one two places before it.
    bias = jnp.full((2, 23), -60.0).at[:, 11 - 2].set(60.0)
    params["body"]["block_0"]["attention"] = attention_params | {"distance": bias}
    before = transformer.encode(params, batch, cfg)
    for place in range(7, 12):
        item = batch.item.at[0, place].set(FIRST_ITEM + (batch.item[0, place] - FIRST_ITEM + 1) % 20)
        after = transformer.encode(params, batch._replace(item=item), cfg)
        # The first two have nothing two places before them: their scores are all alike.
        changed = np.flatnonzero(~np.isclose(before, after, atol=1e-5).all(-1)[0, 9:]) + 9
        assert changed.tolist() == [p for p in (place, place + 2) if 9 <= p < 12]


def test_a_bias_by_distance_moves_with_padding() -> None:
    cfg = dataclasses.replace(CFG, distance=True, position=False)
    params = transformer.init(jax.random.key(0), cfg)
    for name in ("block_0", "block_1"):
        own = params["body"][name]["attention"]
        own["distance"] = jax.random.normal(jax.random.key(1), own["distance"].shape)
    short, long = (transformer.encode(params, batch_of([5, 7], width), cfg)[:, -5:] for width in (7, 12))
    np.testing.assert_allclose(short, long, atol=1e-5)


@pytest.mark.parametrize("name", ["position", "feedback", "device", "hour"])
def test_each_input_counts_exactly_when_it_is_on(name: str) -> None:
    batch = batch_of([12])
    changed = {
        "position": jax.tree.map(lambda x: x[:, ::-1] if x.ndim == 2 else x, batch),
        "feedback": batch._replace(feedback=1 + batch.feedback % 3),
        "device": batch._replace(device=(batch.device + 1) % 3),
        "hour": batch._replace(hour=1 + batch.hour % 24),
    }[name]
    for on in (True, False):
        cfg = TransformerConfig(**{**vars(CFG), name: on})
        params = transformer.init(jax.random.key(0), cfg)
        before, after = (transformer.encode(params, b, cfg).sum(1) for b in (batch, changed))
        assert np.allclose(before, after, atol=1e-4) != on


def test_dropout_keeps_the_mean_and_a_shard_drops_what_the_whole_would() -> None:
    x, rows = jnp.ones((8, 50, 30)), jnp.arange(8)
    dropped = dropout(x, 0.2, jax.random.key(0), rows)
    # 12,000 entries: standard deviations of 0.004 and 0.005.
    assert float((dropped == 0).mean()) == pytest.approx(0.2, abs=0.02)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(dropped[4:], dropout(x[4:], 0.2, jax.random.key(0), rows[4:]))
    np.testing.assert_array_equal(dropout(x, 0.2, None, rows), x)


def test_what_is_dropped_has_no_pattern() -> None:
    x, rows = jnp.ones((16, 64, 64)), jnp.arange(16)
    kept, other = (np.asarray(dropout(x, 0.3, jax.random.key(i), rows) > 0, float) - 0.7 for i in (0, 1))
    neighbours = {
        "rows": (kept[1:], kept[:-1]),
        "positions": (kept[:, 1:], kept[:, :-1]),
        "entries": (kept[..., 1:], kept[..., :-1]),
        "two apart": (kept[..., 2:], kept[..., :-2]),
        "keys": (kept, other),
    }
    for name, (a, b) in neighbours.items():
        # Some 60,000 pairs: standard deviation of 0.004.
        assert abs(np.mean(a * b) / 0.21) < 0.02, name
    for axis in range(3):
        # Means of 1,024 or 4,096 entries: standard deviations of at most 0.0143.
        along = kept.mean(tuple(i for i in range(3) if i != axis))
        assert np.abs(along).max() < 0.065, axis
        assert along.std() == pytest.approx((0.21 / (kept.size / len(along))) ** 0.5, rel=0.5), axis


def test_the_papers_full_size_has_the_shapes_it_should() -> None:
    cfg = TransformerConfig(num_items=1_000_000, num_stations=100_000, max_length=400, width=128)
    params = jax.eval_shape(lambda key: transformer.init(key, cfg), jax.random.key(0))
    assert params["tables"]["item"].shape == (1_000_003, 128)
    hidden = jax.eval_shape(lambda p, b: transformer.encode(p, b, cfg), params, batch_of([400] * 2, 400))
    assert hidden.shape == (2, 400, 128)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"num_items": 0}, "num_items is 0"),
        ({"width": 15, "heads": 2}, "multiple of heads, 2"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"attention": "both"}, "attention is 'both'"),
        ({"device": True}, "set device=false"),
    ],
)
def test_wrong_configs_are_refused(wrong: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TransformerConfig(**{"num_items": 5, **wrong})


FOLDING = TransformerConfig(num_items=20, max_length=12, width=16, item_bias=True, fold_in=True)


def folding_params(scale: float = 0.5) -> transformer.Params:
    """Parameters whose items have factors and biases of some size."""
    params = transformer.init(jax.random.key(0), FOLDING)
    table = scale * jax.random.normal(jax.random.key(1), params["tables"]["item"].shape)
    return params | {"tables": params["tables"] | {"item": table.at[:FIRST_ITEM, -1].set(0.0)}}


def test_a_bias_is_the_last_number_of_an_item_and_the_last_of_a_vector_is_one() -> None:
    cfg = TransformerConfig(num_items=20, max_length=12, width=16, item_bias=True)
    params = transformer.init(jax.random.key(0), cfg)
    assert params["tables"]["item"].shape == (FIRST_ITEM + 20, 17)
    assert not np.asarray(params["tables"]["item"][:, -1]).any(), "it begins at nothing"
    hidden = transformer.encode(params, batch_of([5, 7]), cfg)
    assert hidden.shape == (2, 12, 17)
    assert (hidden[..., -1] == 1).all()
    plain = TransformerConfig(num_items=20, max_length=12, width=16)
    unbiased = params | {"tables": params["tables"] | {"item": params["tables"]["item"][:, :-1]}}
    np.testing.assert_array_equal(transformer.encode(unbiased, batch_of([5, 7]), plain), hidden[..., :-1])


def regression(vectors: np.ndarray, bias: np.ndarray, liked: np.ndarray, ridge: float, bias_ridge: float) -> np.ndarray:
    """The listener's vector, by a general minimiser."""

    def cost(solved: np.ndarray) -> float:
        score = vectors @ solved[:-1] + solved[-1] + bias
        penalty = ridge * np.sum(solved[:-1] ** 2) + bias_ridge * solved[-1] ** 2
        return float(np.sum(liked * np.logaddexp(0, -score) + (1 - liked) * np.logaddexp(0, score)) + penalty / 2)

    return optimize.minimize(cost, np.zeros(vectors.shape[1] + 1), tol=1e-10).x[:-1]


@pytest.mark.parametrize("mean_bias", [0.0, 3.0])
def test_folding_in_is_a_logistic_regression(mean_bias: float) -> None:
    rng = np.random.default_rng(0)
    items, bias = rng.normal(0, 0.8, (3, 30, 8)).astype(np.float32), rng.normal(0, 1, (3, 30)).astype(np.float32)
    bias += np.float32(mean_bias)
    # Who likes most of what is heard is not said to like its every side.
    liked, known = rng.random((3, 30)) < np.array([[0.9], [0.4], [0.5]]), np.arange(30) >= np.array([[0], [12], [30]])
    found = np.asarray(fold_in(*map(jnp.asarray, (items, bias, liked * 1.0, known)), jnp.array(8.0), jnp.array(1.0)))
    for row in range(2):
        expected = regression(*(x[row][known[row]] for x in (items, bias, liked)), 8.0, 1.0)
        # The second step is Newton's, which takes the error about to its square.
        np.testing.assert_allclose(found[row], expected, atol=0.01)
        assert np.abs(expected).max() > 0.1
    assert not found[2].any(), "of whom nothing is known, nothing is said"


def test_a_folding_model_begins_as_the_logistic_regression_of_its_history() -> None:
    params, batch = folding_params(), batch_of([5, 9])
    hidden = np.asarray(transformer.encode(params, batch, FOLDING))
    table = np.asarray(params["tables"]["item"])
    for row in range(2):
        events = [(i, f) for i, f in zip(batch.item[row].tolist(), batch.feedback[row].tolist(), strict=True) if f]
        item = [i for i, _ in events]
        # A skip is half an up at first.
        liked = np.array([{Feedback.UP: 1.0, Feedback.SKIP: 0.5, Feedback.DOWN: 0.0}[f] for _, f in events])
        expected = regression(table[item, :-1], table[item, -1], liked, 8.0, 1.0)
        np.testing.assert_allclose(hidden[row, -1, :-1], expected, atol=2e-3)


def test_what_is_masked_is_not_folded_in() -> None:
    params, batch = folding_params(), batch_of([9])
    masked = batch._replace(item=batch.item.at[0, -2].set(MASK), feedback=batch.feedback.at[0, -2].set(Feedback.UP))
    before, after = (
        np.asarray(transformer.encode(params, b, FOLDING))
        for b in (masked, masked._replace(feedback=masked.feedback.at[0, -2].set(Feedback.DOWN)))
    )
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_folding_models_gradient_is_a_number_even_of_an_empty_row() -> None:
    batch = batch_of([0, 6])

    def loss(params: transformer.Params) -> jax.Array:
        return jnp.sum(transformer.encode(params, batch, FOLDING) ** 2)

    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(jax.grad(loss)(folding_params())))


def test_what_a_folding_model_needs_is_told() -> None:
    with pytest.raises(ValueError, match=r"fold_in is true, but items have no bias.*item_bias=true"):
        TransformerConfig(num_items=2, fold_in=True)
    with pytest.raises(ValueError, match="fold_in is true with causal attention"):
        TransformerConfig(num_items=2, fold_in=True, item_bias=True, attention="causal")
