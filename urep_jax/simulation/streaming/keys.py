"""The random streams of a streaming world, by name; those of the tracks are the radio's, and so are the tracks."""

import jax
import jax.numpy as jnp

from urep_jax.core.streams import stream
from urep_jax.simulation.keys import TRACK_STREAMS, Keys

ITEM_STREAMS = (
    *("artist_country", "artist_language", "topic_place", "show_topic", "show_place", "show_fame", "show_language"),
    *("show_seconds", "content_map", "content_noise"),
)
AUDIO_STREAMS = ("audio_map", "audio_track", "audio_noise", "audio_shuffle")
GROUP_STREAMS = ("country_taste", "age_taste", "music_to_topic", "age_topic")
"""What all users of a country or an age have in common."""
USER_STREAMS = (
    *("country", "age", "language", "plan", "device", "established", "registered", "taste", "turn", "topic_taste"),
    *("mood_phase", "mood", "is_show_user", "activity", "library"),
)
SESSION_STREAMS = ("first_session", "pause", "length", "session_device", "is_show")
EVENT_STREAMS = ("item", "is_repeat", "age_of_library", "rank", "feedback", "ratio")
ONBOARDING_STREAMS = ("answers", "delay", "num_artists", "artists")
PLAYLIST_STREAMS = ("playlist_length", "playlist_artist", "playlist_track", "playlist_order")


def streaming_keys(seed: int) -> Keys:
    """The keys of a streaming world, one for each stream.

    Args:
        seed: the world's seed, at least 0.
    """
    names = (
        *ITEM_STREAMS,
        *AUDIO_STREAMS,
        *GROUP_STREAMS,
        *USER_STREAMS,
        *SESSION_STREAMS,
        *EVENT_STREAMS,
        *ONBOARDING_STREAMS,
        *PLAYLIST_STREAMS,
    )
    tracks = {name: stream(seed, f"simulation.{name}") for name in TRACK_STREAMS}
    return tracks | {name: stream(seed, f"streaming.{name}") for name in names}


def pick(keys: Keys, names: tuple[str, ...], *numbers: int | jax.Array) -> dict[str, jax.Array]:
    """The keys of these streams for one user, session or block, by its numbers."""
    # All at once: compiling costs by the call.
    stacked = jnp.stack([keys[name] for name in names])
    for number in numbers:
        stacked = jax.vmap(jax.random.fold_in, in_axes=(0, None))(stacked, number)
    return dict(zip(names, stacked, strict=True))
