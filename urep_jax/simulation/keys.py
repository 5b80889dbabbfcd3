"""The random streams of a world, all by name: adding one disturbs no other, and so no existing world."""

from collections.abc import Mapping

import jax
from jaxtyping import Array, Int32

from urep_jax.core.streams import stream

Keys = Mapping[str, jax.Array]
"""Typed JAX keys by name."""

TRACK_STREAMS = (
    "artist_genre",
    "track_artist",
    "genre_style",
    "artist_style",
    "track_style",
    "artist_fame",
    "track_fame",
    "appeal",
    "track_seconds",
)
"""What a catalogue of tracks is drawn from, in every world."""

CATALOGUE_STREAMS = (*TRACK_STREAMS, "station_artist")
LISTENER_STREAMS = (
    "taste",
    "turn",
    "habit",
    "utility",
    "stations",
    "activity",
    "established",
    "first_pause",
    "arrival",
)
EVENT_STREAMS = ("first_due", "leave", "pause", "station", "mood", "wait", "feedback", "ratio", "random_track")


def world_keys(seed: int) -> Keys:
    """The keys of a world, one for each stream.

    Args:
        seed: the world's seed, at least 0.
    """
    names = (*CATALOGUE_STREAMS, *LISTENER_STREAMS, *EVENT_STREAMS)
    return {name: stream(seed, f"simulation.{name}") for name in names}


def fold(keys: Keys, number: int | Int32[Array, ""]) -> dict[str, jax.Array]:
    """The keys of one listener, or of one block of a listener's events, by its number.

    What is drawn for a listener hangs on the seed, the stream and these numbers alone, never on who else is there.
    """
    return {name: jax.random.fold_in(key, number) for name, key in keys.items()}
