"""Which baselines a log allows for is known before anything is trained."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest

from experiments.negative_feedback.baselines import FITTED, TRAINED, check_baselines, obstacle
from tests.data.test_sequences import whole
from tests.training.tiny import tiny_log
from urep_jax.baselines.ease import MAX_ITEMS
from urep_jax.core.types import Feedback


def test_a_log_of_every_kind_of_feedback_allows_for_all() -> None:
    log = tiny_log()
    assert not [name for name in (*FITTED, *TRAINED) if obstacle(name, log, whole(log))]


def test_a_catalogue_too_large_for_ease_is_told() -> None:
    log = tiny_log()
    large = dataclasses.replace(log, item_ids=pa.array([str(i) for i in range(MAX_ITEMS + 1)]))
    assert obstacle("ease", large, whole(log)) == (
        "it holds a weight for each two items, and 30,001 items are more than 30,000"
    )
    assert obstacle("item_knn", large, whole(log)) is None


def test_ups_alone_have_no_odds() -> None:
    log = tiny_log()
    ups = dataclasses.replace(log, feedback=np.full(log.num_events, Feedback.UP, np.int8))
    assert obstacle("logistic_factors", ups, whole(log)) == "training holds not both ups and downs or skips"


def test_only_a_simulated_log_has_a_truth() -> None:
    log = tiny_log()
    assert obstacle("oracle", log, whole(log)) == "only simulated data have a truth to be told"
    affinity = np.zeros(log.num_events, np.float32)
    assert obstacle("oracle", dataclasses.replace(log, affinity=affinity), whole(log)) is None


def test_names_that_are_no_baselines() -> None:
    check_baselines([*FITTED, *TRAINED, "two_stages", "oracle"])
    with pytest.raises(ValueError, match="baselines names 'slim', but there are: popularity"):
        check_baselines(["popularity", "slim"])
    with pytest.raises(ValueError, match="candidates come from random_negatives; name that before it"):
        check_baselines(["two_stages", "random_negatives"])
