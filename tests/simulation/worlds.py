"""Small worlds that the tests of this folder share."""

from urep_jax.simulation import RadioParams

SMALL = RadioParams(
    num_listeners=48,
    num_tracks=200,
    num_artists=40,
    num_genres=4,
    num_stations=10,
    station_size=30,
    stations_per_listener=3,
    median_events=120.0,
    max_events=192,
)
"""Small enough that the rules of the radio can be looked at event by event."""
