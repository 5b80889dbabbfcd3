"""A training that begins with another's parameters: what both know is carried over, by id."""

from pathlib import Path

import jax
import numpy as np
import pyarrow as pa
import pytest

from tests.training.tiny import tiny_fit
from urep_jax.data.vocabulary import FIRST_ITEM, FIRST_STATION, MASK, UNKNOWN, Vocabulary
from urep_jax.models import transformer
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.fit import Progress
from urep_jax.training.objective import Params
from urep_jax.training.warm_start import warm_start

OLD = Vocabulary(pa.array(["a", "b", "c"]), pa.array(["jazz", "rock"]), pa.array(["car", "phone"]))
NEW = Vocabulary(pa.array(["d", "c", "a", "e"]), pa.array(["rock", "folk"]), pa.array(["phone", "tv"]))


def params(seed: int, vocabulary: Vocabulary, **cfg: int) -> Params:
    sizes = {"width": 4, "max_length": 6, "blocks": 1} | cfg
    config = TransformerConfig(
        len(vocabulary.item_ids), len(vocabulary.station_ids), len(vocabulary.device_ids), device=True, **sizes
    )
    return transformer.init(jax.random.key(seed), config)


def test_what_both_know_is_carried_over_and_what_is_new_is_fresh() -> None:
    old, fresh = params(0, OLD), params(1, NEW, max_length=8)
    begun = warm_start(fresh, NEW, old, OLD)
    item, old_item, fresh_item = (np.asarray(p["tables"]["item"]) for p in (begun, old, fresh))
    np.testing.assert_array_equal(item[:FIRST_ITEM], old_item[:FIRST_ITEM])
    assert (item[MASK] == old_item[MASK]).all()
    assert (item[UNKNOWN] == old_item[UNKNOWN]).all()
    for place, id_ in enumerate("dcae"):
        source = old_item[FIRST_ITEM + "abc".index(id_)] if id_ in "abc" else fresh_item[FIRST_ITEM + place]
        np.testing.assert_array_equal(item[FIRST_ITEM + place], source)
    station, old_station, fresh_station = (np.asarray(p["tables"]["station"]) for p in (begun, old, fresh))
    np.testing.assert_array_equal(station[FIRST_STATION], old_station[FIRST_STATION + 1])
    np.testing.assert_array_equal(station[FIRST_STATION + 1], fresh_station[FIRST_STATION + 1])
    device, old_device, fresh_device = (np.asarray(p["body"]["device"]) for p in (begun, old, fresh))
    np.testing.assert_array_equal(device, [old_device[0], old_device[2], fresh_device[2]])
    position, old_position, fresh_position = (np.asarray(p["body"]["position"]) for p in (begun, old, fresh))
    np.testing.assert_array_equal(position, [*fresh_position[:2], *old_position])
    np.testing.assert_array_equal(begun["body"]["feedback"], old["body"]["feedback"])


def test_models_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"rows of the item table have 8 numbers, and 4 in the old model.*width"):
        warm_start(params(1, NEW, width=8), NEW, params(0, OLD), OLD)
    with pytest.raises(ValueError, match="the models differ in block_1"):
        warm_start(params(1, NEW, blocks=2), NEW, params(0, OLD), OLD)
    with pytest.raises(ValueError, match=r"block_0/.* has shape .* in the old model"):
        warm_start(params(1, NEW, expansion=2), NEW, params(0, OLD), OLD)


def test_a_fit_begins_with_what_it_is_given_and_a_continued_one_does_not(tmp_path: Path) -> None:
    unbroken = tiny_fit(tmp_path / "whole", start=lambda fresh: jax.tree.map(lambda x: 0.5 * x, fresh))
    plain = tiny_fit(tmp_path / "plain")
    assert unbroken.history[0].loss != plain.history[0].loss

    def kill(progress: Progress) -> None:
        if progress.step == 3:
            raise InterruptedError

    calls = []

    def start(fresh: Params) -> Params:
        calls.append(1)
        return jax.tree.map(lambda x: 0.5 * x, fresh)

    with pytest.raises(InterruptedError):
        tiny_fit(tmp_path / "killed", kill, start=start)
    again = tiny_fit(tmp_path / "killed", start=start)
    np.testing.assert_array_equal(again.params["tables"]["item"], unbroken.params["tables"]["item"])
    assert len(calls) == 1, "the training that goes on begins where it was"
