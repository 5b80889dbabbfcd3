"""The default world against real logs."""

import dataclasses

import numpy as np

from urep_jax.simulation.streaming import StreamingParams, make_streaming_world, simulate_streaming
from urep_jax.simulation.streaming.playlists import make_playlists
from urep_jax.simulation.streaming.statistics import gini, playlist_statistics, streaming_statistics

BANDS = {
    "skip_share": (0.3, 0.47),  # Table 1: 0.47, over sessions of all kinds
    "like_share": (0.01, 0.06),
    "gap_spread": (1.2, 1.6),  # MovieTweetings: 1.45
    "popularity_gini": (0.52, 0.7),  # MovieLens-1M: 0.60, Million Playlist Dataset: 0.64
    "median_session": (7, 12),  # Table 1: 9
    "soon": (0.93, 1.0),
}

PLAYLIST_BANDS = {  # Million Playlist Dataset
    "median_length": (75, 95),  # 87
    "log_length_spread": (0.75, 0.95),  # 0.85
    "popularity_gini": (0.28, 0.64),  # 0.28 to 0.64, by how much of the catalogue is read
    "same_artist": (0.012, 0.03),  # 0.020
    "artists_per_track": (0.6, 0.85),  # 0.74
}


def test_default_world_looks_like_real_logs():
    params = dataclasses.replace(StreamingParams(), num_users=300, num_playlists=500)
    world, log = make_streaming_world(params, 0), simulate_streaming(params, 0)
    registered_at = np.asarray(world.users.registered).astype(np.int64) + params.start
    found = dataclasses.asdict(streaming_statistics(log, registered_at, params.start, params.num_tracks))
    outside = {name: found[name] for name, (low, high) in BANDS.items() if not low <= found[name] <= high}
    assert not outside, f"outside their bands: {outside}"
    playlists = make_playlists(params, world.catalogue, 0)
    found = dataclasses.asdict(playlist_statistics(playlists, np.asarray(world.catalogue.tracks.track_artist)))
    outside = {name: found[name] for name, (low, high) in PLAYLIST_BANDS.items() if not low <= found[name] <= high}
    assert not outside, f"outside their bands: {outside}"


def test_gini_of_counts_written_by_hand():
    np.testing.assert_allclose(gini(np.array([0, 1, 2, 3])), 0, atol=1e-12)
    np.testing.assert_allclose(gini(np.array([0, 1, 1, 1])), 0.25)
