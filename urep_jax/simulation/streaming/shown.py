"""What would come of it if artists were shown to users: the truth that no log holds.

Who is shown an artist plays one of the artist's tracks, chosen as tracks are chosen afresh, and then does what the
world's users do: skips it, or follows the artist, or doesn't. With `w` the weight of a track in the choice, `a` its
affinity at the moment (see `affinity`), and `r = response`, the chance that artist `A` is followed is

    sum over v of A of  w_v / (sum of w over A)  (1 - P(skip | a_v))  sigmoid(follow + r follow_slope a_v),
    w_v = popularity_v^popularity_power exp(r a_v).

With `response = 0` that is the same for all artists and users, so that nothing that is shown can make a difference.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Int32

from urep_jax.simulation.keys import Keys
from urep_jax.simulation.streaming.affinity import track_offer, track_wishes
from urep_jax.simulation.streaming.catalogue import StreamingCatalogue
from urep_jax.simulation.streaming.follows import follow_log_odds
from urep_jax.simulation.streaming.listening import feedback_weights
from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.users import User, mood_at, taste_at


@partial(jax.jit, static_argnames="params")
def follow_chances(
    params: StreamingParams, catalogue: StreamingCatalogue, users: User, seconds: Int32[Array, ""], *, keys: Keys
) -> Float32[Array, "U A"]:
    """The chance that each user follows each artist if the artist is shown at a moment, mood included.

    Args:
        params: the world's parameters.
        catalogue: what can be played.
        users: users, with a leading axis.
        seconds: when, since the start of the window, at least 0.
        keys: the world's keys, from `streaming_keys`.

    Returns:
        From 0 to 1; 0 for artists who have no track.
    """
    offer, artist_V = track_offer(params, catalogue), catalogue.tracks.track_artist
    by_artist = partial(jax.ops.segment_sum, segment_ids=artist_V, num_segments=params.num_artists)
    has_track_A = by_artist(jnp.ones(len(artist_V))) > 0

    def of_user(user: User) -> jax.Array:
        taste_D = taste_at(params, user, seconds) + mood_at(params, user, seconds, keys=keys)
        a_V = offer.parts @ track_wishes(params, user, taste_D)
        weight_V = _weights(offer.log_weight + params.response * a_V, artist_V, params.num_artists)
        skip_V, like_V = feedback_weights(params, a_V)
        chance_V = (1 + like_V) / (1 + skip_V + like_V) * jax.nn.sigmoid(follow_log_odds(params, a_V))
        # Summed from the least chance on: chances that are equal stay equal to the bit.
        least = chance_V.min()
        over_A = by_artist(weight_V * (chance_V - least)) / jnp.where(has_track_A, by_artist(weight_V), 1.0)
        return jnp.where(has_track_A, least + over_A, 0.0)

    return jax.vmap(of_user)(users)


def _weights(logits_V: jax.Array, artist_V: jax.Array, num_artists: int) -> jax.Array:
    """Weights in proportion to `exp(logits)`, the largest of each artist's being 1."""
    most_A = jax.ops.segment_max(logits_V, artist_V, num_artists)
    return jnp.exp(logits_V - most_A[artist_V])
