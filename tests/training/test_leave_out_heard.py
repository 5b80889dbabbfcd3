"""What the model sees of a sequence isn't set against what is asked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.data.test_sequences import whole
from tests.logs import row_seeds
from tests.training.tiny import tiny_log
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.sequences import Batch, SequenceConfig, Sequences, TaskKind
from urep_jax.data.vocabulary import FIRST_ITEM, MASK, PAD, build_vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
from urep_jax.training.objective import Params

L = 12


def made(tasks: TaskKind) -> tuple[TransformerConfig, Batch]:
    """A model, and a batch of whole listeners who hear some items again."""
    log = tiny_log()
    split = whole(log)
    vocabulary = build_vocabulary(log, split)
    sequences = Sequences(log, vocabulary, SequenceConfig(max_length=L, p_hard=0.0, tasks=tasks))
    attention = "causal" if tasks == "next" else "bidirectional"
    model = TransformerConfig(len(vocabulary.item_ids), 2, max_length=L, width=8, dropout=0.0, attention=attention)
    batch = sequences.training_batch(row_seeds(0, 9), split.start[:9], split.stop[:9])
    return model, jax.tree.map(jnp.asarray, batch)


def cross_entropy(params: Params, model: TransformerConfig, batch: Batch, *, leaves_out: bool) -> tuple[float, int]:
    """The sum over tasks, task by task, and how many items were left out."""
    hidden_BxLxD = np.asarray(transformer.encode(params, batch, model))
    total, left_out = 0.0, 0
    for row, column in zip(*np.nonzero(batch.target != PAD), strict=True):
        place, target = int(batch.task[row, column]), int(batch.target[row, column])
        seen = batch.item[row, : place + 1] if model.attention == "causal" else batch.item[row]
        heard = set(seen.tolist()) - {PAD, MASK, target} if leaves_out else set()
        rivals = [item for item in range(FIRST_ITEM, FIRST_ITEM + model.num_items) if item not in heard]
        scores_V = hidden_BxLxD[row, place] @ np.asarray(params["tables"]["item"]).T
        total += float(np.log(np.exp(scores_V[rivals]).sum()) - scores_V[target])
        left_out += len(heard)
    return total, left_out


@pytest.mark.parametrize("tasks", ["next", "cloze"])
@pytest.mark.parametrize("leaves_out", [True, False])
def test_what_the_model_sees_is_left_out_and_nothing_else(tasks: TaskKind, leaves_out: bool) -> None:
    model, batch = made(tasks)
    loss = LossConfig("softmax", leave_out_heard=leaves_out, batch_size=len(batch.item))
    objective = negative_feedback_objective(model, loss, negative_sampler(np.ones(model.num_items, int)))
    # Vectors long enough to tell items apart, and short enough that none has all the probability.
    fresh = objective.init(jax.random.key(0))
    params = fresh | {"tables": jax.tree.map(lambda table: 20 * table, fresh["tables"])}
    total, num_tasks = objective.loss(params, (batch,), jax.random.key(1))
    expected, left_out = cross_entropy(params, model, batch, leaves_out=leaves_out)
    assert num_tasks == (batch.target != PAD).sum() > 5
    assert bool(left_out) == leaves_out
    assert tasks == "cloze" or _heard_again(batch), "an item is heard again"
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def _heard_again(batch: Batch) -> bool:
    return any(len(set(row[row != PAD].tolist())) < (row != PAD).sum() for row in np.asarray(batch.item))


def test_only_the_softmax_can_leave_out() -> None:
    with pytest.raises(ValueError, match="leave_out_heard is true with loss=bce, but only softmax can leave out"):
        LossConfig("bce", leave_out_heard=True)
