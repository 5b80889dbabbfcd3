"""`growth_split`: sets that hold new items, some of which are asked for their new ones, given the others."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Int64

from urep_jax.core.streams import numpy_stream
from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases, Split
from urep_jax.data.log import NO_STATION, EventLog
from urep_jax.data.ragged import offsets_of, ranges, running_count


def growth_split(
    log: EventLog, known: Bool[np.ndarray, "V"], *, share: float = 0.05, least: int = 20, seed: int = 0
) -> tuple[EventLog, Split]:
    """Hold back the new items of some sets; all the rest trains.

    A set can be asked about if it holds a known item, which is what is seen of it, and a new one, which is a target.

    Args:
        log: of playlists, from `playlists.playlist_log`: a set has an item once.
        known: which items have a vector already.
        share: of the sets that can be asked about, how many validate, and how many test; above 0, and below a half.
        least: sets that can be asked about below which none is: all of them train.
        seed: of the choice of sets, at least 0.

    Returns:
        The log, in which the known items of the sets that are asked about come first, and its split.

    Raises:
        ValueError: if `share` is out of range.
    """
    if not 0 < share < 0.5:
        raise ValueError(f"share is {share}, but must be above 0 and below a half")
    known_E, offsets = known[np.asarray(log.item)], log.offsets
    known_S = np.diff(running_count(known_E)[offsets])
    both = np.flatnonzero((known_S > 0) & (known_S < np.diff(offsets)))
    asked = max(1, round(share * len(both))) if len(both) >= least else 0
    drawn = numpy_stream(seed, "growth").permutation(both)
    test, validation = np.sort(drawn[:asked]), np.sort(drawn[asked : 2 * asked])
    turned_S = np.zeros(log.num_sequences, bool)
    turned_S[drawn[: 2 * asked]] = True
    sequence_E = np.repeat(np.arange(log.num_sequences), np.diff(offsets))
    order_E = np.lexsort((~known_E & turned_S[sequence_E], sequence_E))
    log = dataclasses.replace(log, item=np.asarray(log.item)[order_E])
    stop_S = np.where(turned_S, offsets[:-1] + known_S, offsets[1:])
    train = np.flatnonzero(stop_S > offsets[:-1]).astype(np.int32)
    return log, Split(train, offsets[:-1], stop_S, *(_new_of(log, cases, stop_S) for cases in (validation, test)))


def _new_of(log: EventLog, asked: Int64[np.ndarray, "C"], stop_S: Int64[np.ndarray, "S"]) -> Cases:
    """The new items of these sets, given the known ones."""
    stop_C, end_C = stop_S[asked], log.offsets[asked + 1]
    event = ranges(stop_C, end_C)
    return Cases(
        sequence=asked.astype(np.int32),
        start=log.offsets[asked],
        stop=stop_C,
        station=np.full(len(asked), NO_STATION, np.int32),
        offsets=offsets_of(end_C - stop_C),
        item=np.asarray(log.item)[event],
        feedback=np.full(len(event), Feedback.UP, np.int8),
        event=event,
    )
