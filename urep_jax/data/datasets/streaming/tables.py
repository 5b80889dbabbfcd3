"""The tables beside a simulated streaming log, as `data.ingest.schema` has them."""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa

from urep_jax.simulation.streaming import StreamingLog, StreamingParams, StreamingWorld, make_streaming_world
from urep_jax.simulation.streaming.audio import log_mel
from urep_jax.simulation.streaming.follows import make_follows
from urep_jax.simulation.streaming.keys import streaming_keys
from urep_jax.simulation.streaming.onboarding import has_answered, make_onboarding, shuffle
from urep_jax.simulation.streaming.params import DEVICES, PLANS
from urep_jax.simulation.streaming.playlists import make_playlists

PORTION = 500
"""Tracks or users that are drawn at once."""


def companions(params: StreamingParams, seed: int, log: StreamingLog) -> Iterator[tuple[str, pa.Table]]:
    """The companion tables of a simulated log, by name.

    Args:
        params: the world's parameters.
        seed: the world's seed, at least 0.
        log: the world's log.
    """
    world = make_streaming_world(params, seed)
    yield "items", _items(params, world, seed)
    yield "artists", _artists(params, world)
    yield "users", _users(params, world)
    yield "onboarding", _onboarding(params, world, seed)
    follows = make_follows(params, world.catalogue, log, seed)
    yield (
        "follows",
        pa.table(
            {
                "user_id": names("user", follows.user),
                "artist_id": names("artist", follows.artist),
                "timestamp": follows.timestamp,
            }
        ),
    )
    playlists = make_playlists(params, world.catalogue, seed)
    length_P = np.diff(playlists.offsets)
    position = np.arange(len(playlists.track)) - np.repeat(playlists.offsets[:-1], length_P)
    yield (
        "playlists",
        pa.table(
            {
                "playlist_id": names("playlist", np.repeat(np.arange(len(length_P)), length_P)),
                "position": position.astype(np.int32),
                "item_id": names("item", playlists.track, params.num_tracks),
            }
        ),
    )


def names(kind: str, numbers: np.ndarray, num_tracks: int = 0) -> pa.StringArray:
    """Ids of these numbers.

    Args:
        kind: what they are; of `item` the numbers from `num_tracks` on are shows, of `device` names are known.
        numbers: the numbers.
        num_tracks: tracks of the catalogue.
    """
    numbers = np.asarray(numbers)
    if kind == "device":
        return pa.array(np.array(DEVICES)[numbers], pa.string())
    if kind == "item":
        number = np.where(numbers < num_tracks, numbers, numbers - num_tracks).astype(str)
        return pa.array(np.char.add(np.where(numbers < num_tracks, "track ", "show "), number), pa.string())
    return pa.array(np.char.add(f"{kind} ", numbers.astype(str)), pa.string())


def _items(params: StreamingParams, world: StreamingWorld, seed: int) -> pa.Table:
    catalogue, num_shows = world.catalogue, params.num_shows
    artist_V = np.asarray(catalogue.tracks.track_artist)
    language_I = np.concatenate([np.asarray(catalogue.artist_language)[artist_V], np.asarray(catalogue.shows.language)])
    keys = streaming_keys(seed)
    hear = jax.jit(lambda tracks_J: log_mel(params, catalogue, tracks_J, keys=keys))
    mel_VxX = _in_portions(hear, params.num_tracks).reshape(params.num_tracks, -1)
    is_show = np.arange(params.num_items) >= params.num_tracks
    return pa.table(
        {
            "item_id": names("item", np.arange(params.num_items), params.num_tracks),
            "artist_id": pa.concat_arrays([names("artist", artist_V), pa.nulls(num_shows, pa.string())]),
            "content_type": pa.array(np.where(is_show, "show", "track"), pa.string()),
            "language": names("language", language_I),
            "log_mel": pa.concat_arrays([_lists(mel_VxX), pa.nulls(num_shows, pa.list_(pa.float32()))]),
            "topic_vector": pa.concat_arrays(
                [pa.nulls(params.num_tracks, pa.list_(pa.float32())), _lists(np.asarray(catalogue.shows.content))]
            ),
        }
    )


def _artists(params: StreamingParams, world: StreamingWorld) -> pa.Table:
    return pa.table(
        {
            "artist_id": names("artist", np.arange(params.num_artists)),
            "country": names("country", np.asarray(world.catalogue.artist_country)),
            "language": names("language", np.asarray(world.catalogue.artist_language)),
        }
    )


def _users(params: StreamingParams, world: StreamingWorld) -> pa.Table:
    users = jax.tree.map(np.asarray, world.users)
    return pa.table(
        {
            "user_id": names("user", users.number),
            "country": names("country", users.country),
            "age": users.age,
            "device": names("device", users.device),
            "language": names("language", users.language),
            "plan": pa.array(np.where(users.is_premium, PLANS[1], PLANS[0]), pa.string()),
            "registered_at": users.registered.astype(np.int64) + params.start,
        }
    )


def _onboarding(params: StreamingParams, world: StreamingWorld, seed: int) -> pa.Table:
    keys = streaming_keys(seed)
    ask = jax.jit(jax.vmap(lambda user: make_onboarding(params, world.catalogue, user, keys=keys)))
    answers = ask(world.users)
    if params.shuffle_onboarding:
        answers = shuffle(answers, seed)
    rows = np.flatnonzero(has_answered(answers))
    artists = [[f"artist {a}" for a in picked if a >= 0] or None for picked in np.asarray(answers.artists)[rows]]
    spoken = np.asarray(answers.languages)[rows]
    languages = [[f"language {w}" for w in np.flatnonzero(picked)] or None for picked in spoken]
    return pa.table(
        {
            "user_id": names("user", rows),
            "timestamp": np.asarray(answers.seconds)[rows].astype(np.int64) + params.start,
            "artists": pa.array(artists, pa.list_(pa.string())),
            "languages": pa.array(languages, pa.list_(pa.string())),
        }
    )


def _in_portions(make: Callable[[jax.Array], jax.Array], count: int) -> np.ndarray:
    """What `make` makes of the numbers below `count`, a portion of one shape at a time."""
    portion = min(PORTION, count)
    pieces = [np.asarray(make(jnp.arange(first, first + portion) % count)) for first in range(0, count, portion)]
    return np.concatenate(pieces)[:count]


def _lists(rows: np.ndarray) -> pa.ListArray:
    """Each row as a list of float32."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(offsets, pa.array(rows.ravel(), pa.float32()))
