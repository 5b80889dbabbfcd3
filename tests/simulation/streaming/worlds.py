"""Small streaming worlds that the tests of this folder share."""

import dataclasses

from urep_jax.simulation.streaming import StreamingParams

SMALL = StreamingParams(
    num_users=150,
    num_tracks=300,
    num_artists=60,
    num_genres=6,
    num_shows=20,
    max_sessions=96,
    num_playlists=300,
    playlist_log_length=3.0,
    audio_bands=16,
    audio_frames=16,
)
"""Small enough to be drawn in a moment, once it is compiled."""

DEAF = dataclasses.replace(SMALL, response=0.0)
"""The null control: choice and feedback have nothing to do with taste."""
