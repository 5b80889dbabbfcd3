"""The collaborative encoder on real playlists: trained briefly, it continues them better than popularity does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from urep_jax.baselines.popularity import popularity
from urep_jax.data.co_occurrences import CoOccurrenceBatches, CoOccurrenceConfig, frequent_items
from urep_jax.data.continuation_split import ContinuationSplit
from urep_jax.data.negatives import negative_sampler
from urep_jax.data.playlists import playlist_log, read_playlists
from urep_jax.data.vocabulary import item_counts
from urep_jax.evaluation.continuation import continuation
from urep_jax.evaluation.neighbour_purity import neighbour_purity
from urep_jax.evaluation.paired import paired_difference
from urep_jax.evaluation.vector_scorer import vector_scorer
from urep_jax.models.skip_gram import SkipGramConfig, item_vectors
from urep_jax.training.fit import FitConfig, fit
from urep_jax.training.optimizers import adam
from urep_jax.training.skip_gram import skip_gram_objective

MIN_COUNT, EPOCHS = 20, 4


def test_it_beats_popularity_clearly(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = data_folder("million-playlist")
    table = pq.read_table(folder / "playlist_tracks.parquet").rename_columns(["playlist_id", "position", "item_id"])
    log = playlist_log(read_playlists(table))
    assert (log.num_sequences, log.num_items) == (7071, 201_730)
    split = ContinuationSplit(test_share=0.05, validation_share=0.02)(log)
    vocabulary = frequent_items(log, split, MIN_COUNT)
    rows = vocabulary.item_rows(log.item_ids)
    batches = CoOccurrenceBatches(log, split, vocabulary, CoOccurrenceConfig(subsample=1e-4), 64, seed=0)
    sampler = negative_sampler(item_counts(log, split, vocabulary), 0.75)
    objective = skip_gram_objective(SkipGramConfig(len(vocabulary.item_ids)), sampler, 16, 64)

    def ndcg(params: Any) -> tuple[float, dict[str, float]]:
        scorer = vector_scorer(item_vectors(params, rows), log, split.validation)
        return continuation(scorer, log, split.validation)["ndcg@500"].value, {}

    trained = fit(objective, adam(0.03), batches, ndcg, FitConfig(epochs=EPOCHS), tmp_path, {})
    vectors = item_vectors(trained.params, rows)
    ours = continuation(vector_scorer(vectors, log, split.test), log, split.test)
    theirs = continuation(popularity(log, split)(log, split.test), log, split.test)
    for name in ("r_precision", "ndcg@500", "recall@100"):
        ahead = paired_difference(ours[name], theirs[name])
        assert ahead.mean > 1.5 * ahead.ci95, name

    # An item is the number of a row in the table of tracks.
    artists = pq.read_table(folder / "tracks.parquet")["artist_name"].combine_chunks().dictionary_encode().indices
    artist_V = artists.take(log.item_ids.cast(pa.int64())).to_numpy()
    share, chance = neighbour_purity(vectors, np.asarray(artist_V, np.int64)).means()
    assert share.compute() > 20 * chance.compute()
