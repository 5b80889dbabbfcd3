"""Every config composes, and describes something that can be made."""

from itertools import product
from pathlib import Path

import jax
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig

from experiments.knobs import CONF, groups, knobs_of, options
from experiments.negative_feedback.recipe import Recipe
from tests.data.test_sequences import whole
from tests.training.tiny import tiny_log
from urep_jax.data.datasets.base import EventsConfig
from urep_jax.data.vocabulary import build_vocabulary
from urep_jax.models import transformer


def composed(*overrides: str) -> DictConfig:
    """The config of a command line."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.mark.parametrize(("experiment", "data"), list(product(options("experiment"), options("data"))))
def test_every_experiment_composes_with_every_data_set(experiment: str, data: str, tmp_path: Path) -> None:
    cfg = composed(f"experiment={experiment}", f"data={data}", *([f"data.path={tmp_path}"] * (data == "interactions")))
    assert cfg.data.name == data
    source = instantiate(cfg.data.source, _convert_="all")
    assert isinstance(source, EventsConfig)
    assert callable(instantiate(cfg.data.split))
    assert callable(get_method(cfg.main))
    assert set(knobs_of(experiment)) < set(cfg)


@pytest.mark.parametrize(
    ("group", "option"), [(g, option) for g in groups() if g != "experiment" for option in options(g)], ids="=".join
)
def test_every_option_makes_a_recipe_and_its_model(group: str, option: str) -> None:
    cfg = composed(f"{group}={option}")
    log = tiny_log()
    recipe = Recipe.from_config(cfg, build_vocabulary(log, whole(log)))
    params = jax.eval_shape(lambda key: transformer.init(key, recipe.model), jax.random.key(0))
    assert params["tables"]["item"].shape[-1] == cfg.model.width
    assert recipe.without("negative_feedback").sequences.p_hard == 0
