"""Worlds in which there is nothing to find: the model must find nothing there, and find it in the world as it is."""

import dataclasses
from pathlib import Path

import pytest
from rich.console import Console

from experiments.negative_feedback.protocols import protocol_of
from experiments.negative_feedback.recipe import Recipe
from experiments.negative_feedback.training import train
from urep_jax.data.datasets.radio import RadioConfig
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare
from urep_jax.data.sequences import SequenceConfig
from urep_jax.data.splits import PaperSplit
from urep_jax.data.vocabulary import build_vocabulary
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.paired import PairedDifference, paired_difference
from urep_jax.evaluation.pairs import pair_accuracy
from urep_jax.models.transformer import TransformerConfig
from urep_jax.simulation.params import RadioParams
from urep_jax.training.fit import FitConfig
from urep_jax.training.negative_feedback import LossConfig

WORLD = RadioParams(num_listeners=900, num_tracks=600, num_artists=150, num_stations=24, station_size=80)
SPLIT = PaperSplit(test_days=60)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the worlds are prepared."""
    return tmp_path_factory.mktemp("worlds")


def accuracy(log: EventLog, test_log: EventLog, p_hard: float, folder: Path) -> ByUser:
    """Pair accuracy of a model trained on `log`, asked about what happens in `test_log`.

    The two are the same listeners at the same moments; they may differ in the tracks of downs and skips.
    """
    split = SPLIT(log)
    vocabulary = build_vocabulary(log, split)
    recipe = Recipe(
        sequences=SequenceConfig(max_length=50, p_hard=p_hard),
        model=TransformerConfig(len(vocabulary.item_ids), len(vocabulary.station_ids), max_length=50, width=32),
        loss=LossConfig(batch_size=64),
        fit=FitConfig(epochs=8, patience=8),
        learning_rate=3e-3,
        negative_power=0.0,
        strata=2,
    )
    path = folder / f"p_hard={p_hard}"
    trained = train(recipe, log, split, vocabulary, protocol_of("pairs"), path, lambda _: None, Console(quiet=True))
    cases = SPLIT(test_log).test
    return pair_accuracy(trained.scorer(cases), cases)


def lift(log: EventLog, test_log: EventLog, folder: Path) -> PairedDifference:
    """What hard negatives gain over random ones."""
    hard, random = (accuracy(log, test_log, p_hard, folder) for p_hard in (1.0, 0.0))
    return paired_difference(hard, random)


def test_hard_negatives_lift_in_the_world_as_it_is(workspace: Path, tmp_path: Path) -> None:
    log = prepare(RadioConfig(params=WORLD), workspace)
    gain = lift(log, log, tmp_path)
    assert gain.mean > 2 * gain.standard_error


def test_downs_on_random_tracks_give_no_lift(workspace: Path, tmp_path: Path) -> None:
    as_it_is = prepare(RadioConfig(params=WORLD), workspace)
    control = prepare(RadioConfig(params=dataclasses.replace(WORLD, random_downs=True)), workspace)
    gain = lift(control, as_it_is, tmp_path)
    assert abs(gain.mean) < 3 * gain.standard_error


def test_feedback_that_has_nothing_to_do_with_taste_is_a_coin(workspace: Path, tmp_path: Path) -> None:
    control = prepare(RadioConfig(params=dataclasses.replace(WORLD, response=0.0)), workspace)
    result = accuracy(control, control, 1.0, tmp_path)
    assert abs(result.value - 0.5) < 3 * result.mean.standard_error()
