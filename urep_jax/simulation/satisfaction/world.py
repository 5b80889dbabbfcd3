"""A world: what can be played, as a service knows it and as it is, and who listens."""

from typing import NamedTuple

from jaxtyping import Array, Bool, Float32, Int32


class Items(NamedTuple):
    """What a service knows of what it can play.

    Attributes:
        content: what an item is like: by its sound and words its style and emptiness, mixed and noisy; its language,
            and its artist's country.
        style: which style it is of: the genre of a track, the topic of a show.
        artist: who made it; each show is an artist of its own.
        log_popularity: log of its share of all plays before.
        minutes: its length.
        is_show: whether it is a show.
    """

    content: Float32[Array, "V F"]
    style: Int32[Array, "V"]
    artist: Int32[Array, "V"]
    log_popularity: Float32[Array, "V"]
    minutes: Float32[Array, "V"]
    is_show: Bool[Array, "V"]


class Hidden(NamedTuple):
    """What items are worth, which no service sees.

    Attributes:
        parts: what affinity is made of, beside what listeners wish.
        nourishment: what an item does to satisfaction in the long run, -1 to 1.
        pull: utility that it has for everybody at once.
        log_engaged: log of the minutes that it engages who is fully satisfied.
        engaged_spread: standard deviation of that log.
    """

    parts: Float32[Array, "V K"]
    nourishment: Float32[Array, "V"]
    pull: Float32[Array, "V"]
    log_engaged: Float32[Array, "V"]
    engaged_spread: Float32[Array, "V"]


class Listeners(NamedTuple):
    """Who listens. A service sees `vector` and `pools`.

    Attributes:
        wishes: what is wanted of each part of an item.
        by_intent: what each intent wants besides, of length `taste_strength sqrt(D)`.
        hour: of the day, about which sessions begin.
        device: the main one, index into `streaming.params.DEVICES`.
        patience: beside that of the mean listener.
        satiation: how fast the listener tires of a style, beside the mean listener.
        pause: how long pauses are, beside the mean listener's.
        exposure: net exposure at the beginning of an episode.
        is_show_user: whether the listener listens to shows.
        vector: what the service knows beforehand, a representation of the user.
        pools: where candidates come from: numbers of pools, one of which is taken for each session.
    """

    wishes: Float32[Array, "U K"]
    by_intent: Float32[Array, "U I D"]
    hour: Float32[Array, "U"]
    device: Int32[Array, "U"]
    patience: Float32[Array, "U"]
    satiation: Float32[Array, "U"]
    pause: Float32[Array, "U"]
    exposure: Float32[Array, "U"]
    is_show_user: Bool[Array, "U"]
    vector: Float32[Array, "U Z"]
    pools: Int32[Array, "U Q"]


class World(NamedTuple):
    """A world.

    Attributes:
        items: what can be played, as a service knows it.
        hidden: what it is worth.
        listeners: who listens.
        pools: the candidates of each pool.
        styles: room for each style's satiation: the numbers of the styles.
        offered: content of each pool's candidates, from `candidates.laid_out`, or None.
    """

    items: Items
    hidden: Hidden
    listeners: Listeners
    pools: Int32[Array, "P N"]
    styles: Int32[Array, "G"]
    offered: Float32[Array, "P F N"] | None = None
