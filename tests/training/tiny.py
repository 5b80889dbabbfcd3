"""A whole training, small enough for tests.

`python -m tests.training.tiny MODE TABLES LAYOUT LOSS...` prints its losses on all devices, where `softmax_unheard` is
the softmax that leaves out what was heard.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from tests.data.test_sequences import whole
from tests.logs import DAY, Row, log_of
from urep_jax.data.log import EventLog
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import SequenceConfig, Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.vocabulary import build_vocabulary
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.fit import Fit, FitConfig, fit
from urep_jax.training.layout import TableLayout
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import Objective, Params, TableMode
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import ParallelMode, parallelize

NUM_ITEMS, BATCH = 30, 8


def tiny_log(seed: int = 0) -> EventLog:
    """40 listeners, who like the items of their own half."""
    rng = np.random.default_rng(seed)
    events = []
    for listener in range(40):
        for hour in range(int(rng.integers(4, 30))):
            item = int(rng.integers(NUM_ITEMS))
            likes = (item < NUM_ITEMS // 2) == (listener % 2 == 0)
            word = "up" if rng.random() < (0.9 if likes else 0.1) else str(rng.choice(["down", "skip"]))
            events.append(Row(listener, hour * DAY // 4, item, word, int(rng.integers(2))))
    return log_of(events, num_stations=2, num_items=NUM_ITEMS)


def tiny_model(num_items: int = NUM_ITEMS) -> TransformerConfig:
    """The model that learns."""
    return TransformerConfig(num_items, 2, max_length=16, width=8, blocks=1, dropout=0.1)


def tiny_training(
    tables: TableMode = "auto", catalogue: int | None = None, **loss: Any
) -> tuple[Objective, TrainingBatches]:
    """What learns, and what it learns from; `catalogue` items in all, if there are to be more than are heard."""
    log = tiny_log()
    vocabulary = build_vocabulary(log, whole(log))
    sequences = Sequences(log, vocabulary, SequenceConfig(max_length=16, p_hard=0.5))
    model = tiny_model(catalogue or len(vocabulary.item_ids))
    sampler = negative_sampler(np.ones(model.num_items, int))
    objective = negative_feedback_objective(model, LossConfig(batch_size=BATCH, **loss), sampler, tables)
    return objective, TrainingBatches(sequences, whole(log), BATCH, seed=3, strata=2)


def tiny_fit(
    folder: Path,
    on_progress: Callable[..., None] = lambda _: None,
    tables: TableMode = "auto",
    start: Callable[[Params], Params] | None = None,
    **cfg: Any,
) -> Fit:
    """Three epochs, validated by a number that depends on the parameters."""
    objective, batches = tiny_training(tables)

    def validate(params: Any) -> tuple[float, dict[str, float]]:
        # Rows of zeros, which a table that is cut by rows may end in, change nothing.
        return float(jnp.linalg.norm(params["tables"]["item"])), {}

    fit_cfg = FitConfig(**{"epochs": 3, "seed": 3, "checkpoint_every": 2, **cfg})
    return fit(objective, adam(0.01), batches, validate, fit_cfg, folder, {"tiny": True}, on_progress, start)


def losses(mode: ParallelMode, tables: TableMode, name: str, layout: TableLayout = "copies") -> list[float]:
    """The losses of six steps on all devices."""
    unheard = name == "softmax_unheard"
    loss = {"name": "softmax", "leave_out_heard": True} if unheard else {"name": name, "k_negatives": 3}
    objective, batches = tiny_training(tables, **loss)
    parallel = parallelize(objective, adam(0.01), 3, BATCH, mode, layout)
    state, told = parallel.init(), []
    for step in range(6):
        state, info = parallel.step(parallel.key, state, parallel.put_batch(batches[step]))
        told.append(float(info.loss))
    return told


if __name__ == "__main__":
    mode, tables, layout, *names = sys.argv[1:]
    print(json.dumps({name: losses(mode, tables, name, layout) for name in names}))
