"""Whatever is trained on, processes that read a part of each batch have the whole batch together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.data import test_forecast_questions, test_response_windows
from tests.data.parts import assert_parts_make_the_whole
from tests.data.test_co_occurrences import batches_of
from tests.training import test_autoencoder, test_content_encoder, test_preference, test_ranker, test_two_tower
from urep_jax.data.co_occurrences import CoOccurrenceConfig
from urep_jax.data.epochs import BatchesByStep, Interleaved
from urep_jax.data.labelled_pairs import PairBatches
from urep_jax.data.lists import ListBatches, Lists


def pairs() -> PairBatches:
    vectors = test_preference.USER_VECTORS
    return PairBatches(test_preference.pairs(range(9)), vectors, test_preference.of_items, test_preference.IDS, 64, 0)


def lists() -> ListBatches:
    rng = np.random.default_rng(0)
    item, found = rng.integers(0, len(test_ranker.ITEM_VECTORS), (70, 3)), rng.random((70, 3)).astype(np.float32)
    told = Lists(np.arange(70), item, found, np.tile([True, False, False], (70, 1)))
    return ListBatches(told, test_ranker.USER_VECTORS, test_ranker.ITEM_VECTORS, test_ranker.IDS, 32, 0)


def blocks_with_content() -> Any:
    x, group = test_content_encoder.sounds()
    return test_content_encoder.batches(x, group, np.ones(len(group), bool))


KINDS: dict[str, Callable[[], BatchesByStep]] = {
    "users": lambda: test_autoencoder.batches(64, 150),
    "pairs": pairs,
    "lists": lists,
    "blocks of pairs": lambda: test_two_tower.batches(*test_two_tower.chosen(range(9)), batch_size=4),
    "blocks of tracks": lambda: batches_of([5, 9, 4, 30, 17], CoOccurrenceConfig(window=3, subsample=0.0)),
    "blocks with content": blocks_with_content,
    "windows": lambda: test_response_windows.windows(test_response_windows.LOG, 16),
    "questions": lambda: test_forecast_questions.questions(test_forecast_questions.LOG, 1),
    "questions of two horizons": lambda: Interleaved(
        [test_forecast_questions.questions(test_forecast_questions.LOG, horizon) for horizon in (0, 1)]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of", [2, 4])
def test_parts_make_the_whole(kind: str, of: int) -> None:
    assert_parts_make_the_whole(KINDS[kind](), of)
