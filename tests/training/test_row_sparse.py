"""Row-sparse tables: lazy Adam to the digit, and nothing but the rows that a batch reads is looked at or moved."""

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.training.tiny import BATCH, NUM_ITEMS, tiny_fit, tiny_training
from urep_jax.core.streams import name_key, stream
from urep_jax.data.negatives import draw_negatives, negative_sampler
from urep_jax.data.sequences import Batch
from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, PAD
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.fit import Progress
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import Objective, RowWise, TableMode, TrainState
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import parallelize
from urep_jax.training.row_sparse import read_rows, take_rows

ROW_WISE = [("bce", 1), ("bce", 3), ("gbce", 3), ("sampled_softmax", 3)]


class Bags(NamedTuple):
    """Bags of M words and a flag each, and what the sum of their embeddings is to be mapped to."""

    word: Any
    flag: Any
    wanted: Any


def bag_objective(rows: int, tables: TableMode) -> Objective:
    r"""The toy: :math:`\frac12 |(\sum_m e_{w_m} + f) W - y|^2`, whose gradient can be written down."""

    def init(key: jax.Array) -> dict:
        word_RxD, flag_3xD, body_DxD = (
            jax.random.normal(name_key(key, n), (r, 4)) for n, r in (("w", rows), ("f", 3), ("b", 4))
        )
        return {"tables": {"word": word_RxD, "flag": flag_3xD}, "body": body_DxD}

    def loss(params: dict, bags: Bags, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        sum_BxD = params["tables"]["word"][bags.word].sum(1) + params["tables"]["flag"][bags.flag]
        error_BxD = sum_BxD @ params["body"] - bags.wanted
        return 0.5 * jnp.sum(error_BxD**2), jnp.float32(len(bags.flag))

    ids = {
        "word": lambda change, bags: bags._replace(word=change(bags.word)),
        "flag": lambda change, bags: bags._replace(flag=change(bags.flag)),
    }
    return Objective(init, loss, RowWise(lambda bags, key: bags, loss, ids), tables)


def bags_of(step: int, rows: int, bags: int = 6, words: int = 5) -> Bags:
    """Words of half of the table: some rows are read now and then and some never. One word is twice in each bag."""
    rng = np.random.default_rng(step)
    word_BxM = rng.integers(0, rows // 2, (bags, words)).astype(np.int32)
    word_BxM[:, 1] = word_BxM[:, 0]
    return Bags(word_BxM, rng.integers(1, 3, bags).astype(np.int32), 10 * rng.normal(size=(bags, 4)).astype(np.float32))


class NumpyLazyAdam:
    """Adam with clipping, and lazy on some tables, written down without our code or optax."""

    def __init__(self, params: dict, lazy: Collection[str], learning_rate: float, clip_norm: float) -> None:
        self.value = {"body": params["body"], **params["tables"]}
        self.value = {name: np.array(x, np.float64) for name, x in self.value.items()}
        self.mean = {name: np.zeros_like(x) for name, x in self.value.items()}
        self.square = {name: np.zeros_like(x) for name, x in self.value.items()}
        self.lazy, self.learning_rate, self.clip_norm, self.steps, self.clipped = lazy, learning_rate, clip_norm, 0, 0

    def step(self, bags: Bags) -> None:
        """One step on one batch."""
        word, flag, body = self.value["word"], self.value["flag"], self.value["body"]
        sum_BxD = word[bags.word].sum(1) + flag[bags.flag]
        error_BxD = (sum_BxD @ body - bags.wanted) / len(bags.flag)
        grad = {name: np.zeros_like(x) for name, x in self.value.items()}
        grad["body"] = sum_BxD.T @ error_BxD
        for b, row_D in enumerate(error_BxD @ body.T):
            grad["flag"][bags.flag[b]] += row_D
            for w in bags.word[b]:
                grad["word"][w] += row_D
        norm = np.sqrt(sum((g**2).sum() for g in grad.values()))
        self.clipped += norm > self.clip_norm
        self.steps += 1
        read = {"word": {PAD, *bags.word.ravel()}, "flag": {PAD, *bags.flag}}
        for name, g in grad.items():
            g = g * min(1.0, self.clip_norm / norm)
            rows = sorted(read[name]) if name in self.lazy else slice(None)
            self.mean[name][rows] = 0.9 * self.mean[name][rows] + 0.1 * g[rows]
            self.square[name][rows] = 0.999 * self.square[name][rows] + 0.001 * g[rows] ** 2
            mean = self.mean[name][rows] / (1 - 0.9**self.steps)
            square = self.square[name][rows] / (1 - 0.999**self.steps)
            self.value[name][rows] -= self.learning_rate * mean / (np.sqrt(square) + 1e-8)


def assert_close(x: np.ndarray, expected: np.ndarray, rtol: float, atol: float, **told: Any) -> None:
    """Sums are rounded by the size of what goes into them, however small some of them come out."""
    size = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(x, expected, rtol=rtol, atol=atol * size, **told)


@pytest.mark.parametrize("mode", ["jit", "pmap"])
@pytest.mark.parametrize(
    ("tables", "lazy"),
    [("dense", ()), ("auto", ("word",)), ("sparse", ("word", "flag"))],
    ids=["dense", "auto", "sparse"],
)
def test_it_is_lazy_adam(mode: str, tables: TableMode, lazy: tuple[str, ...]) -> None:
    rows = 200
    parallel = parallelize(bag_objective(rows, tables), adam(0.03, clip_norm=80.0), 0, 6, mode)
    state = parallel.init()
    reference = NumpyLazyAdam(jax.device_get(parallel.params(state)), lazy, 0.03, 80.0)
    for step in range(12):
        reference.step(bags_of(step, rows))
        state, _ = parallel.step(parallel.key, state, parallel.put_batch(bags_of(step, rows)))
    assert 0 < reference.clipped < 12, "some steps are clipped and some are not"
    found = parallel.get_state(state)
    for tree, expected in (
        (found.params, reference.value),
        (optax.tree_utils.tree_get(found.opt_state, "mu"), reference.mean),
        (optax.tree_utils.tree_get(found.opt_state, "nu"), reference.square),
    ):
        for name, x in {"body": tree["body"], **tree["tables"]}.items():
            assert_close(x, expected[name], rtol=2e-4, atol=1e-6, err_msg=name)


def item_moments(state: TrainState) -> list[np.ndarray]:
    """Item table and its two moments."""
    trees = [state.params, *(optax.tree_utils.tree_get(state.opt_state, name) for name in ("mu", "nu"))]
    return [np.asarray(tree["tables"]["item"]) for tree in trees]


def items_read(batches: tuple[Batch, ...], catalogue: int, k: int, step: int) -> np.ndarray:
    """Item rows that a step of `tiny_training` reads, told apart from the objective's own account."""
    key = name_key(stream(3, "step", step), "negatives")
    sampler = negative_sampler(np.ones(catalogue, int))
    read = [np.zeros(1, int)]
    for b in batches:
        drawn = draw_negatives(key, sampler, jnp.asarray(b.row), b.target.shape[1], k, BATCH)
        read += [b.item, b.target, b.negative, drawn]
    return np.unique(np.concatenate([np.ravel(ids) for ids in read]))


def test_what_is_not_read_stays_to_the_bit() -> None:
    catalogue = 2000
    objective, batches = tiny_training("auto", catalogue, k_negatives=3)
    parallel = parallelize(objective, adam(0.01), 3, BATCH)
    state, moved = parallel.init(), []
    for step in range(4):
        before = item_moments(parallel.get_state(state))
        state, _ = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
        after = item_moments(parallel.get_state(state))
        read = items_read(batches[step], catalogue, 3, step)
        others = np.setdiff1d(np.arange(FIRST_ITEM + catalogue), read)
        for x, y in zip(before, after, strict=True):
            np.testing.assert_array_equal(x[others], y[others])
        moved.append(np.flatnonzero((before[0] != after[0]).any(1)))
        assert np.isin(moved[-1], read).all()
        assert len(moved[-1]) > NUM_ITEMS / 2
    waiting = np.setdiff1d(np.concatenate(moved[:-1]), moved[-1])
    assert item_moments(parallel.get_state(state))[1][waiting].any(), "some that stayed have moments"


def test_the_first_step_is_plain_adams() -> None:
    states = []
    for tables in ("dense", "sparse"):
        objective, batches = tiny_training(tables, 500, name="sampled_softmax", k_negatives=3)
        parallel = parallelize(objective, adam(0.01), 3, BATCH)
        states.append(parallel.step(parallel.key, parallel.init(), parallel.put_batch(batches[0])))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=2e-7), *jax.device_get(states))


def test_it_is_plain_adam_where_every_row_is_always_read() -> None:
    k, told = 40, []
    for tables in ("dense", "sparse"):
        objective, batches = tiny_training(tables, name="sampled_softmax", k_negatives=k)
        parallel = parallelize(objective, adam(0.01), 3, BATCH)
        state = parallel.init()
        for step in range(5):
            state, info = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
            told.append(float(info.loss))
            never = set(range(FIRST_ITEM + NUM_ITEMS)) - set(items_read(batches[step], NUM_ITEMS, k, step).tolist())
            assert never <= {2}, "UNKNOWN alone, which training never reads, so that it never gets a moment"
    np.testing.assert_allclose(told[:5], told[5:], rtol=1e-5)


ROWS, STATIONS, B, L, T = 40, 9, 4, 7, 3


def ids_of(*shape: int, rows: int = ROWS) -> st.SearchStrategy[np.ndarray]:
    """Ids, PAD among them more often than not."""
    return arrays(np.int32, shape, elements=st.one_of(st.just(PAD), st.integers(0, rows - 1)))


@st.composite
def any_batch(draw: st.DrawFn) -> Batch:
    """A batch with any ids in it."""
    item_BxL = draw(ids_of(B, L))
    return Batch(
        row=np.arange(B, dtype=np.int32),
        item=item_BxL,
        station=draw(ids_of(B, L, rows=STATIONS)),
        feedback=draw(arrays(np.int8, (B, L), elements=st.integers(0, 3))),
        device=np.zeros((B, L), np.int32),
        hour=np.zeros((B, L), np.int32),
        task=draw(arrays(np.int32, (B, T), elements=st.integers(0, L - 1))),
        target=draw(ids_of(B, T)),
        negative=draw(ids_of(B, T)),
        rung=np.zeros((B, T), np.int8),
    )


def remapped_objective(name: str, k: int) -> Objective:
    """The real objective on the tables above."""
    items, stations = ROWS - FIRST_ITEM, STATIONS - FIRST_STATION
    model = TransformerConfig(items, stations, max_length=L, width=4, blocks=1, dropout=0.0)
    sampler = negative_sampler(1 + np.arange(items) ** 2, 0.7)
    return negative_feedback_objective(model, LossConfig(name, k, batch_size=2 * B), sampler, "sparse")


@pytest.fixture(scope="module", params=ROW_WISE, ids=lambda loss: f"{loss[0]}-{loss[1]}")
def both(request: pytest.FixtureRequest) -> Any:
    """Compiled: loss and gradients by global ids, and the same by local ids on the rows that are read."""
    objective = remapped_objective(*request.param)
    optimizer = adam(0.1)
    params = objective.init(jax.random.key(0))
    # Far enough from zero that every row tells.
    params["tables"] = jax.tree.map(lambda x: 50 * x + 1, params["tables"])
    state = TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params))

    @jax.jit
    def whole_and_local(batches: tuple[Batch, ...], key: jax.Array) -> Any:
        reading = read_rows(objective, params, batches, key)
        taken = take_rows(optimizer, state, reading.rows)
        loss = jax.value_and_grad(lambda p: objective.loss(p, batches, key), has_aux=True)
        return (
            loss(params),
            jax.value_and_grad(reading.loss, has_aux=True)(taken.params, reading.drawn, key),
            reading.rows,
        )

    return whole_and_local


@settings(max_examples=60)
@given(one=any_batch(), other=any_batch(), seed=st.integers(0, 100))
def test_a_loss_sees_no_difference_but_the_names_of_rows(both: Any, one: Batch, other: Batch, seed: int) -> None:
    batches = (one, other._replace(row=other.row + B))
    (loss, grad), (local_loss, local_grad), rows = jax.device_get(both(batches, jax.random.key(seed)))
    np.testing.assert_allclose(local_loss, loss, rtol=1e-6)
    jax.tree.map(partial(assert_close, rtol=1e-4, atol=1e-5), local_grad["body"], grad["body"])
    for name, rows_U in rows.items():
        assert len(set(rows_U.tolist())) == len(rows_U)
        assert rows_U[0] == PAD
        inside_U = rows_U < len(grad["tables"][name])
        np.testing.assert_array_equal(local_grad["tables"][name][~inside_U], 0.0)
        put_RxD = np.zeros_like(grad["tables"][name])
        put_RxD[rows_U[inside_U]] = local_grad["tables"][name][inside_U]
        assert_close(put_RxD, grad["tables"][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("rows", "sparse"), [(30, []), (31, ["word"])])
@pytest.mark.parametrize("devices", [1, 3])
def test_auto_is_sparse_where_a_table_has_more_rows_than_a_batch_reads(
    rows: int, sparse: list[str], devices: int
) -> None:
    objective = bag_objective(rows, "auto")
    params = jax.eval_shape(objective.init, jax.random.key(0))
    bags = jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), bags_of(0, rows))

    def rows_of(shard: Bags) -> Any:
        return read_rows(objective, params, shard, jax.random.key(0), "device").rows

    found = jax.vmap(rows_of, axis_name="device")(bags)
    assert list(found) == sparse
    for rows_NxU in found.values():
        read = np.union1d(0, np.ravel(bags.word))
        for rows_U in np.asarray(rows_NxU):
            np.testing.assert_array_equal(np.sort(rows_U[rows_U < rows]), read, "on all devices alike")


@pytest.mark.parametrize("devices", [1, 4])
def test_negatives_that_the_whole_batch_shares_are_taken_once(devices: int) -> None:
    k = 100_000
    objective, batches = tiny_training("auto", catalogue=k + 500, name="sampled_softmax", k_negatives=k)
    params = jax.eval_shape(objective.init, jax.random.key(0))
    shards = jax.tree.map(lambda x: x.reshape(devices, -1, *x.shape[1:]), batches[0])

    def rows_of(shard: tuple[Batch, ...]) -> Any:
        return read_rows(objective, params, shard, jax.random.key(0), "device").rows

    found = jax.eval_shape(jax.vmap(rows_of, axis_name="device"), shards)
    ids = k + sum(b.item.size + b.target.size + b.negative.size for b in batches[0])
    assert found["item"].shape == (devices, 1 + ids)


def test_a_step_makes_no_copy_of_a_table() -> None:
    memory = {}
    for tables in ("dense", "auto"):
        objective, batches = tiny_training(tables, catalogue=300_000)
        parallel = parallelize(objective, adam(0.01), 3, BATCH)
        state = jax.eval_shape(parallel.init)
        step: Any = parallel.step
        memory[tables] = step.lower(parallel.key, state, batches[0]).compile().memory_analysis()
    table = 300_000 * 8 * 4
    assert memory["dense"].temp_size_in_bytes > table
    assert memory["auto"].temp_size_in_bytes < table / 4
    assert memory["auto"].alias_size_in_bytes > 3 * table, "table and moments are written in place"


def test_killed_again_and_again_it_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    unbroken = tiny_fit(tmp_path / "unbroken", tables="sparse")
    for kill_at in (3, 8):

        def kill(progress: Progress, step: int = kill_at) -> None:
            if progress.step == step:
                raise InterruptedError

        with pytest.raises(InterruptedError):
            tiny_fit(tmp_path / "killed", kill, tables="sparse")
    again = tiny_fit(tmp_path / "killed", tables="sparse")
    jax.tree.map(np.testing.assert_array_equal, again.params, unbroken.params)
    dense = tiny_fit(tmp_path / "dense", tables="dense")
    assert (dense.params["tables"]["item"] != unbroken.params["tables"]["item"]).any()


def test_a_step_is_traced_once() -> None:
    objective, batches = tiny_training("sparse")
    traces = []
    assert objective.row_wise is not None

    def loss(*args: Any) -> tuple[jax.Array, jax.Array]:
        traces.append(1)
        return objective.row_wise.loss(*args)

    counted = objective._replace(row_wise=objective.row_wise._replace(loss=loss))
    parallel = parallelize(counted, adam(0.01), 3, BATCH)
    state = parallel.init()
    for step in range(3):
        state, _ = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
    assert len(traces) == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="tables is 'lazy', but must be one of auto, dense, sparse"):
        parallelize(tiny_training("lazy")[0], adam(0.01), 3, BATCH)
    with pytest.raises(ValueError, match=r"tables is 'sparse', but the loss reads whole tables.*set tables=auto"):
        parallelize(tiny_training("sparse", name="softmax")[0], adam(0.01), 3, BATCH)
    factored = parallelize(bag_objective(200, "auto"), optax.adafactor(min_dim_size_to_factor=2), 0, 6)
    with pytest.raises(ValueError, match=r"state for table 'word' has shape .* set tables=dense"):
        factored.step(factored.key, factored.init(), factored.put_batch(bags_of(0, 200)))
