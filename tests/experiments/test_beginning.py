"""What a training begins with, where simple statistics say something of the items."""

import jax
import numpy as np
import pytest

from experiments.negative_feedback.beginning import from_statistics
from experiments.negative_feedback.recipe import Recipe
from tests.data.test_sequences import whole
from tests.experiments.test_conf import composed
from tests.training.tiny import tiny_log
from urep_jax.baselines.like_rate import like_rates
from urep_jax.baselines.logistic_factors import fit_factors
from urep_jax.data.vocabulary import FIRST_ITEM, build_vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig

LOG = tiny_log()
SPLIT = whole(LOG)
VOCABULARY = build_vocabulary(LOG, SPLIT)


def fresh(width: int = 20) -> transformer.Params:
    cfg = TransformerConfig(len(VOCABULARY.item_ids), 2, max_length=8, width=width, item_bias=True)
    return transformer.init(jax.random.key(0), cfg)


def test_biases_begin_at_the_odds_of_the_like_rate() -> None:
    begun = from_statistics("like_rate", LOG, SPLIT, VOCABULARY)(fresh())
    table, before = begun["tables"]["item"], fresh()["tables"]["item"]
    rows = VOCABULARY.item_rows(LOG.item_ids)
    np.testing.assert_allclose(1 / (1 + np.exp(-table[rows, -1])), like_rates(LOG, SPLIT), rtol=1e-5)
    np.testing.assert_array_equal(table[:, :-1], before[:, :-1])


def test_items_begin_as_their_factors() -> None:
    begun = from_statistics("factors", LOG, SPLIT, VOCABULARY)(fresh())
    table, before = begun["tables"]["item"], np.asarray(fresh()["tables"]["item"])
    factors = fit_factors(LOG, SPLIT)
    rows = VOCABULARY.item_rows(LOG.item_ids)
    np.testing.assert_allclose(table[rows, :16], factors.items[:, :-1], rtol=1e-5)
    np.testing.assert_allclose(table[rows, -1], factors.items[:, -1] + factors.prior, rtol=1e-5)
    np.testing.assert_array_equal(table[:, 16:-1], before[:, 16:-1])
    np.testing.assert_array_equal(table[:FIRST_ITEM], before[:FIRST_ITEM])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="items have 9 numbers, but 16 factors and a bias"):
        from_statistics("factors", LOG, SPLIT, VOCABULARY)(fresh(8))
    with pytest.raises(ValueError, match="item_start is 'chance', but must be one of"):
        from_statistics("chance", LOG, SPLIT, VOCABULARY)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"train.item_start is 'factors'.*model.item_bias is false"):
        Recipe.from_config(composed("train.item_start=factors"), VOCABULARY)
    with pytest.raises(ValueError, match="down_tasks is true with loss=gbce"):
        Recipe.from_config(composed("down_tasks=true", "loss=gbce"), VOCABULARY)
