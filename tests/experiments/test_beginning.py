"""What a training begins with, where simple statistics say something of the items."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest

from experiments.negative_feedback.beginning import ItemStart, from_statistics
from experiments.negative_feedback.recipe import Recipe
from tests.data.test_sequences import whole
from tests.experiments.command import NEGATIVE
from tests.experiments.test_conf import composed
from tests.training.tiny import tiny_log
from urep_jax.baselines.like_rate import like_rates
from urep_jax.baselines.logistic_factors import fit_factors
from urep_jax.baselines.spectral import spectral_vectors
from urep_jax.core.types import Feedback
from urep_jax.data.vocabulary import FIRST_ITEM, UNKNOWN, build_vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig

LOG = tiny_log()
SPLIT = whole(LOG)
VOCABULARY = build_vocabulary(LOG, SPLIT)


def sized(width: int = 20, *, item_bias: bool = True) -> TransformerConfig:
    return TransformerConfig(len(VOCABULARY.item_ids), 2, max_length=8, width=width, item_bias=item_bias)


def fresh(cfg: TransformerConfig) -> transformer.Params:
    return transformer.init(jax.random.key(0), cfg)


def begun(kind: ItemStart, cfg: TransformerConfig) -> transformer.Params:
    return from_statistics(kind, LOG, SPLIT, VOCABULARY, cfg)(fresh(cfg))


def test_biases_begin_at_the_odds_of_the_like_rate() -> None:
    table, before = (params["tables"]["item"] for params in (begun("like_rate", sized()), fresh(sized())))
    rows = VOCABULARY.item_rows(LOG.item_ids)
    rates = like_rates(LOG, SPLIT)
    np.testing.assert_allclose(1 / (1 + np.exp(-table[rows, -1])), rates.items, rtol=1e-5)
    counts = np.bincount(LOG.feedback, minlength=len(Feedback))
    assert rates.prior == pytest.approx(counts[Feedback.UP] / (counts[Feedback.UP] + counts[Feedback.DOWN]))
    assert table[UNKNOWN, -1] == pytest.approx(np.log(rates.prior / (1 - rates.prior)), rel=1e-5), "as good as all are"
    np.testing.assert_array_equal(table[:, :-1], before[:, :-1])


def test_items_begin_as_their_factors() -> None:
    table, before = (np.asarray(p["tables"]["item"]) for p in (begun("factors", sized()), fresh(sized())))
    factors = fit_factors(LOG, SPLIT, skips=True)
    assert not np.allclose(factors.items, fit_factors(LOG, SPLIT).items), "a log in which skips say something"
    rows = VOCABULARY.item_rows(LOG.item_ids)
    np.testing.assert_allclose(table[rows, :16], factors.items[:, :-1], rtol=1e-5)
    np.testing.assert_allclose(table[rows, -1], factors.items[:, -1] + factors.prior, rtol=1e-5)
    np.testing.assert_array_equal(table[:, 16:-1], before[:, 16:-1])
    np.testing.assert_array_equal(table[:UNKNOWN], before[:UNKNOWN])
    assert not table[UNKNOWN, :16].any()
    assert table[UNKNOWN, -1] == pytest.approx(factors.prior)


def test_what_items_are_and_when_things_were_said_have_a_say_in_factors() -> None:
    content_VxK = np.ones((LOG.num_items, 2), np.float32)
    content_VxK[::2, 0] = 0
    settings: dict[str, Any] = {"content": content_VxK, "days": 3.0}
    table = np.asarray(
        from_statistics("factors", LOG, SPLIT, VOCABULARY, sized(), **settings)(fresh(sized()))["tables"]["item"]
    )
    factors = fit_factors(LOG, SPLIT, skips=True, **settings)
    np.testing.assert_allclose(table[VOCABULARY.item_rows(LOG.item_ids), :16], factors.items[:, :-1], rtol=1e-5)
    for alone in settings:
        assert not np.allclose(fit_factors(LOG, SPLIT, skips=True, **{alone: settings[alone]}).items, factors.items)


def test_several_factorisations_stand_side_by_side() -> None:
    """A product of two items' vectors is the mean of what each has for it."""
    table = np.asarray(begun("several_factors", sized(35))["tables"]["item"])
    found = [fit_factors(LOG, SPLIT, skips=True, seed=seed) for seed in (0, 1)]
    rows = VOCABULARY.item_rows(LOG.item_ids)
    vectors = table[rows, :32]
    expected = np.mean([one.items[:, :-1] @ one.items[:, :-1].T for one in found], axis=0)
    np.testing.assert_allclose(vectors @ vectors.T, expected, rtol=1e-4, atol=1e-6)
    bias = np.mean([one.items[:, -1] + one.prior for one in found], axis=0)
    np.testing.assert_allclose(table[rows, -1], bias, rtol=1e-5)
    np.testing.assert_array_equal(table[:, 32:-1], np.asarray(fresh(sized(35))["tables"]["item"])[:, 32:-1])


@pytest.mark.parametrize("item_bias", [True, False])
def test_items_begin_as_their_spectral_vectors(item_bias: bool) -> None:
    cfg = sized(item_bias=item_bias)
    table, before = (np.asarray(params["tables"]["item"]) for params in (begun("spectral", cfg), fresh(cfg)))
    rows = VOCABULARY.item_rows(LOG.item_ids)
    length = np.linalg.norm(before[FIRST_ITEM:, :20], axis=1).mean()
    np.testing.assert_allclose(table[rows, :20], length * spectral_vectors(LOG, SPLIT, 20), rtol=1e-6)
    np.testing.assert_array_equal(table[:, 20:], before[:, 20:])
    np.testing.assert_array_equal(table[:FIRST_ITEM], before[:FIRST_ITEM])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.width is 8, but there are 16 factors; widen the model"):
        begun("factors", sized(8))
    with pytest.raises(ValueError, match="item_start is 'chance', but must be one of fresh, like_rate, factors"):
        begun("chance", sized())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"train.item_start is 'factors'.*model.item_bias is false"):
        begun("factors", sized(item_bias=False))
    ups = dataclasses.replace(LOG, feedback=np.full(LOG.num_events, Feedback.UP, LOG.feedback.dtype))
    with pytest.raises(ValueError, match=r"train.item_start is 'like_rate', but 100% .* so that there are no odds"):
        from_statistics("like_rate", ups, SPLIT, VOCABULARY, sized())(fresh(sized()))
    with pytest.raises(ValueError, match=r"train.item_content is \['genres'\], but items begin as like_rate"):
        Recipe.from_config(composed(NEGATIVE, "recipe=like_rate", "train.item_content=[genres]"))
    with pytest.raises(ValueError, match=r"train.item_days is 30, but items begin as fresh, which knows of no days"):
        Recipe.from_config(composed(NEGATIVE, "train.item_days=30"))
    with pytest.raises(ValueError, match=r"train.item_days is -3, but must be above 0"):
        Recipe.from_config(composed(NEGATIVE, "recipe=factors", "train.item_days=-3"))
    whole_recipe = Recipe.from_config(composed(NEGATIVE, "recipe=item_content", "train.item_days=300"))
    assert whole_recipe.item_content == ("genres",)
    assert whole_recipe.without("negative_feedback").item_content == ()
    with pytest.raises(ValueError, match="down_tasks is true with loss=gbce"):
        Recipe.from_config(composed(NEGATIVE, "down_tasks=true", "loss=gbce"))
