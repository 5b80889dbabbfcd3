"""Events that an evaluation may ask about, grouped by sequence and station; and how they become `Cases`."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.log import NO_STATION, EventLog
from urep_jax.data.ragged import offsets_of

NEVER = np.iinfo(np.int64).min
"""The time, or the place, of what did not happen: before all others."""


class Asked(NamedTuple):
    """Events that may become targets, in the log's order. A group is one sequence on one station.

    Attributes:
        event: flat index of each event into the log's columns, ascending.
        sequence: the sequence that each event belongs to.
        group: the group that each event belongs to.
        is_up: whether the event is an up; a negative otherwise.
        group_sequence: the sequence of each group.
        group_station: the station of each group, `NO_STATION` if the log has no stations.
    """

    event: Int64[np.ndarray, "N"]
    sequence: Int64[np.ndarray, "N"]
    group: Int64[np.ndarray, "N"]
    is_up: Bool[np.ndarray, "N"]
    group_sequence: Int64[np.ndarray, "G"]
    group_station: Int64[np.ndarray, "G"]


def ask(log: EventLog, where: Bool[np.ndarray, "E"]) -> Asked:
    """Group the events of `where`.

    In a log with stations, events that were heard on none belong to no group and are left out: nothing says that they
    are alike.
    """
    if log.station is None or not log.num_stations:
        event = np.flatnonzero(where)
        station = np.full(len(event), NO_STATION)
    else:
        event = np.flatnonzero(where & (log.station != NO_STATION))
        station = log.station[event].astype(np.int64)
    sequence = np.searchsorted(log.offsets, event, side="right") - 1
    # Stations are numbered from NO_STATION = -1.
    width = log.num_stations + 1
    keys, group = np.unique(sequence * width + (station + 1), return_inverse=True)
    is_up = log.feedback[event] == Feedback.UP
    return Asked(event, sequence, group, is_up, keys // width, keys % width - 1)


def latest(asked: Asked, value: Int64[np.ndarray, "N"], where: Bool[np.ndarray, "N"]) -> Int64[np.ndarray, "G"]:
    """The greatest `value` of each group among the events of `where`; `NEVER` where there is none."""
    latest_G = np.full(len(asked.group_sequence), NEVER)
    np.maximum.at(latest_G, asked.group[where], value[where])
    return latest_G


def latest_pair(asked: Asked, value: Int64[np.ndarray, "N"]) -> Int64[np.ndarray, "G"]:
    """The greatest value from which on a group still holds both an up and a negative; `NEVER` if it lacks one."""
    pair_G: np.ndarray = np.minimum(latest(asked, value, asked.is_up), latest(asked, value, ~asked.is_up))
    return pair_G


def place_from_end(asked: Asked) -> Int64[np.ndarray, "N"]:
    """How many later events of the same group and kind (up or negative) each event has."""
    kind = 2 * asked.group + asked.is_up
    order = np.argsort(kind, kind="stable")
    end_K = np.cumsum(np.bincount(kind))
    place = np.empty(len(kind), np.int64)
    place[order] = end_K[kind[order]] - 1 - np.arange(len(kind))
    return place


def to_cases(
    log: EventLog,
    asked: Asked,
    keep: Bool[np.ndarray, "N"],
    start: Int64[np.ndarray, "G"],
    stop: Int64[np.ndarray, "G"],
) -> Cases:
    """One case for each group with an event in `keep`; these are its targets, in time order.

    Args:
        log: the log that the events belong to.
        asked: its grouped events.
        keep: which of them are targets.
        start: first input event of each group.
        stop: one past the last input event of each group.
    """
    event, group = asked.event[keep], asked.group[keep]
    order = np.argsort(group, kind="stable")
    kept, lengths = np.unique(group, return_counts=True)
    event = event[order]
    return Cases(
        sequence=asked.group_sequence[kept].astype(np.int32),
        start=start[kept],
        stop=stop[kept],
        station=asked.group_station[kept].astype(np.int32),
        offsets=offsets_of(lengths),
        item=np.asarray(log.item[event]),
        feedback=np.asarray(log.feedback[event]),
        event=event,
    )


def one_target_each(log: EventLog, sequence: Int64[np.ndarray, "C"], event: Int64[np.ndarray, "C"]) -> Cases:
    """Cases that ask for one event of a sequence each, given all that came before it."""
    stations = np.full(log.num_events, NO_STATION, np.int32) if log.station is None else log.station
    return Cases(
        sequence=sequence.astype(np.int32),
        start=log.offsets[sequence],
        stop=event,
        station=np.asarray(stations[event], np.int32),
        offsets=np.arange(len(event) + 1),
        item=np.asarray(log.item[event]),
        feedback=np.asarray(log.feedback[event]),
        event=event,
    )
