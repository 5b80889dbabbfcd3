"""Making a world from the tracks, shows and users of a streaming world, and what nourishes of it.

An *empty* item pulls more at once, and doesn't nourish. Which items are empty has nothing to do with their style,
artist or fame: nobody need go without a style to live well. A service sees an item's content, which tells of its style
and of its emptiness, each through noise; it doesn't see the rest of what an item is worth.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp

from urep_jax.core.streams import stream
from urep_jax.simulation.ranges import Ranges, require_ranges
from urep_jax.simulation.satisfaction.candidates import Offer, anything, laid_out
from urep_jax.simulation.satisfaction.mechanisms import INTENTS
from urep_jax.simulation.satisfaction.world import Hidden, Items, Listeners, World
from urep_jax.simulation.streaming.affinity import Offer as Affinities
from urep_jax.simulation.streaming.affinity import draw_items, show_offer, show_wishes, track_offer, track_wishes
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.world import make_streaming_world
from urep_jax.simulation.taste import unit

WITHOUT_SHOWS = -3.0
"""Utility that a show has for who doesn't listen to shows, beside those who do."""


@dataclasses.dataclass(frozen=True)
class ItemParams:
    """What else there is to items and listeners than a streaming world says.

    Raises:
        ValueError: if a value is outside its range; the message names the value, the rule and the mend.
    """

    empty: float = 0.4
    """Share of items that are empty, 0 to 1. No number is published."""
    emptiness: float = 0.25
    """How much an empty item lowers net exposure, beside 1 by which another raises it, at least 0."""
    pull: float = 0.5
    """Utility that an empty item has at once beyond another, at least 0."""
    show_plays: float = 0.07
    """Share of plays that go to shows, 0 to 1: popularity of tracks and shows on one scale. Streaming world: 0.35 of
    users, 0.2 of their sessions."""
    content_noise: float = 0.5
    """Standard deviation of the noise of an item's content, beside 1 for what it tells, at least 0; that of the
    streaming world's shows."""
    tell_emptiness: float = 1.0
    """Standard deviation of what content tells of emptiness, beside 1 for each dimension of style, at least 0. At 0
    nothing that a service sees of an item tells it apart before it has been heard: a control."""
    history: int = 64
    """Plays from which the service knows a listener beforehand, at least 1."""
    trait_spread: float = 0.3
    """Standard deviation of the log of listeners' patience, appetite for change, and pauses, at least 0."""

    def __post_init__(self) -> None:
        require_ranges(self, _RANGES)


_RANGES: Ranges = (
    *((name, 0, 1) for name in ("empty", "show_plays")),
    *((name, 0, math.inf) for name in ("emptiness", "pull", "content_noise", "tell_emptiness", "trait_spread")),
    ("history", 1, math.inf),
)


def make_world(
    streaming: StreamingParams, seed: int, items: ItemParams | None = None, offer: Offer | None = None
) -> World:
    """A world of the tracks, shows and users of a streaming world.

    With `x` a track's style of variance 1 in each dimension (a show's place, in dimensions of its own) and `e` 1 for an
    empty item and -1 for another, content is `[x, place, tell_emptiness e] Q + content_noise noise` with a fixed
    orthogonal Q, and beside it the language and the artist's country, one column each. A listener's vector is the mean
    content of `history` plays that are drawn as the streaming world draws them, by affinity and popularity; as there,
    pull and emptiness play no role in it. All columns of both are brought to mean 0 and variance 1.

    Args:
        streaming: parameters of the streaming world.
        seed: of that world, at least 0.
        items: what else there is to it; the defaults, if None.
        offer: where candidates come from; 200 random items, if None.
    """
    of, offer = items or ItemParams(), offer or anything(200)
    keys = {name: stream(seed, f"satisfaction.{name}") for name in _STREAMS}
    catalogue, users = make_streaming_world(streaming, seed)
    users = jax.tree.map(jnp.asarray, users)
    tracks, shows, dim = catalogue.tracks, catalogue.shows, streaming.latent_dim
    num_tracks, num_shows, num_topics = streaming.num_tracks, streaming.num_shows, streaming.num_topics
    num_items, num_countries = num_tracks + num_shows, streaming.num_countries

    def both(of_tracks: jax.Array, of_shows: jax.Array) -> jax.Array:
        return jnp.concatenate([of_tracks, of_shows])

    track_parts, show_parts = track_offer(streaming, catalogue).parts, show_offer(streaming, catalogue).parts
    is_show_V = jnp.arange(num_items) >= num_tracks
    parts_VxK = jnp.zeros((num_items, track_parts.shape[1] + show_parts.shape[1] + 1))
    parts_VxK = parts_VxK.at[:num_tracks, : track_parts.shape[1]].set(track_parts)
    parts_VxK = parts_VxK.at[num_tracks:, track_parts.shape[1] : -1].set(show_parts)
    parts_VxK = parts_VxK.at[:, -1].set(is_show_V)

    is_empty_V = jax.random.uniform(keys["empty"], (num_items,)) < of.empty
    minutes_V = both(tracks.seconds, shows.seconds) / 60
    hidden = Hidden(
        parts=parts_VxK,
        nourishment=jnp.where(is_empty_V, -of.emptiness, jnp.ones(num_items)),
        pull=jnp.where(is_empty_V, of.pull, jnp.zeros(num_items)),
        log_engaged=jnp.log(minutes_V),
        engaged_spread=jnp.zeros(num_items),
    )
    told_VxF = jnp.zeros((num_items, dim + streaming.topic_dim + 1))
    told_VxF = told_VxF.at[:num_tracks, :dim].set(math.sqrt(dim) * tracks.style)
    told_VxF = told_VxF.at[num_tracks:, dim:-1].set(math.sqrt(streaming.topic_dim) * shows.place)
    told_VxF = told_VxF.at[:, -1].set(of.tell_emptiness * jnp.where(is_empty_V, 1.0, -1.0))
    mixed_FxF, _ = jnp.linalg.qr(jax.random.normal(keys["content_map"], (told_VxF.shape[1],) * 2))
    noise_VxF = jax.random.normal(keys["content_noise"], told_VxF.shape)
    sung_VxW = jax.nn.one_hot(both(catalogue.artist_language[tracks.track_artist], shows.language), num_countries)
    home_VxW = jax.nn.one_hot(
        both(catalogue.artist_country[tracks.track_artist], -jnp.ones(num_shows, jnp.int32)), num_countries
    )
    told_VxF = told_VxF @ mixed_FxF + of.content_noise * noise_VxF
    known = Items(
        content=_standardised(jnp.concatenate([told_VxF, sung_VxW, home_VxW], axis=1)),
        style=both(tracks.artist_genre[tracks.track_artist], streaming.num_genres + shows.topic).astype(jnp.int32),
        artist=both(tracks.track_artist, streaming.num_artists + jnp.arange(num_shows)).astype(jnp.int32),
        log_popularity=both(
            tracks.log_popularity + math.log(max(1 - of.show_plays, 1e-9)),
            shows.log_popularity + math.log(max(of.show_plays, 1e-9)),
        ),
        minutes=minutes_V,
        is_show=is_show_V,
    )

    wishes_UxK = jax.vmap(
        lambda user: jnp.concatenate(
            [
                track_wishes(streaming, user, user.taste),
                show_wishes(streaming, user),
                jnp.where(user.is_show_user, 0.0, WITHOUT_SHOWS)[None],
            ]
        )
    )(users)
    num_users = wishes_UxK.shape[0]
    uniform_UxM = jax.random.uniform(keys["history"], (num_users, of.history))
    asked = Affinities(parts_VxK, streaming.popularity_power * known.log_popularity)
    history_UxM = draw_items(streaming, asked, wishes_UxK, uniform_UxM)
    # What an intent wants is half the same for all: mornings are alike.
    common_IxD = jax.random.normal(keys["intent"], (len(INTENTS), dim))
    own_UxIxD = jax.random.normal(keys["own_intent"], (num_users, len(INTENTS), dim))
    trait_3xU = jnp.exp(of.trait_spread * jax.random.normal(keys["traits"], (3, num_users)))
    vector_UxZ = _standardised(known.content[history_UxM].mean(1))
    pools_PxN, pools_UxQ = offer(keys["pools"], known, vector_UxZ)
    listeners = Listeners(
        wishes=wishes_UxK,
        by_intent=streaming.taste_strength * math.sqrt(dim) * unit(common_IxD + own_UxIxD),
        hour=jax.random.uniform(keys["hour"], (num_users,), minval=6.0, maxval=24.0),
        device=users.device,
        patience=trait_3xU[0],
        satiation=trait_3xU[1],
        pause=trait_3xU[2],
        exposure=jnp.zeros(num_users),
        is_show_user=users.is_show_user,
        vector=vector_UxZ,
        pools=pools_UxQ,
    )
    styles_G = jnp.arange(streaming.num_genres + num_topics, dtype=jnp.int32)
    return World(known, hidden, listeners, pools_PxN, styles_G, laid_out(known, pools_PxN))


def _standardised(x: jax.Array) -> jax.Array:
    """Columns of mean 0 and variance 1."""
    return (x - x.mean(0)) / jnp.maximum(x.std(0), 1e-6)


_STREAMS = (*("empty", "content_map", "content_noise", "history", "intent", "own_intent", "traits", "hour", "pools"),)
