"""What a chain is made from: the log, the tables beside it, and whom it is asked about when."""

import datetime
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from jaxtyping import Int8
from omegaconf import DictConfig
from rich.console import Console

from experiments.data import load_log, load_tables
from experiments.user_representation.settings import Asked, categories_of
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.log import EventLog
from urep_jax.data.moments import Moments, established_users, new_users, user_parts
from urep_jax.data.splits import seconds
from urep_jax.data.user_features.profiles import Profiles, read_profiles

TRAIN, VALIDATION, TEST = range(3)
"""The parts of the split by users."""


class Sources(NamedTuple):
    """A log, and who its users are.

    Attributes:
        log: the log.
        tables: those beside it, by name.
        profiles: who its users are, as the tables tell.
    """

    log: EventLog
    tables: Mapping[str, pa.Table]
    profiles: Profiles


class People(NamedTuple):
    """Whom the chain is asked about.

    Attributes:
        now: the moment at which established users are asked about: seconds since 1970, UTC.
        end: until when anything is asked.
        established: those users, at that moment.
        new: users who registered within the log, when they answered the onboarding, or registered.
        weekly: established users at that moment and, week by week, before it: who is learnt from.
        part: to which part of the split each user of the log belongs.
    """

    now: int
    end: int
    established: Moments
    new: Moments
    weekly: Moments
    part: Int8[np.ndarray, "S"]

    def of(self, moments: Moments, part: int) -> Moments:
        """The rows of users of a part."""
        return moments.where(self.part[moments.user] == part)

    @property
    def established_by_week(self) -> Moments:
        """Established users: those who train at all their moments, all others when users are asked about."""
        return Moments.join([self.of(self.weekly, TRAIN), *(self.of(self.established, p) for p in (VALIDATION, TEST))])


def load_sources(cfg: DictConfig, console: Console) -> Sources:
    """The log that `cfg.data` describes, and what lies beside it."""
    log = load_log(cfg, console)
    tables = load_tables(cfg)
    profiles = read_profiles(
        log.sequence_ids,
        log.item_ids,
        users=tables.get("users"),
        items=tables.get("items"),
        onboarding=tables.get("onboarding"),
        categories=categories_of(cfg),
    )
    return Sources(log, tables, profiles)


def find_people(sources: Sources, asked: Asked, seed: int) -> People:
    """Whom the chain is asked about: nothing that they do later than asked is in the log, or is looked at.

    Raises:
        ValueError: if the log is too short, or nobody is left in a part.
    """
    log, profiles = sources.log, sources.profiles
    if not log.num_events:
        raise ValueError(f"{log.name} has no events; there is nobody to be represented")
    first, end, days = int(log.timestamp.min()), int(log.timestamp.max()) + 1, asked.days * SECONDS_PER_DAY
    now = seconds(asked.now)
    if now is None:
        now = end - days
    elif not first < now < end:
        raise ValueError(
            f"evaluation.now is {asked.now}, but must lie between {_day(first)} and {_day(end)}, where {log.name} "
            "begins and ends"
        )
    end = min(end, now + days)
    weekly = [
        established_users(log, profiles, now - 7 * week * SECONDS_PER_DAY, days=asked.established_days)
        for week in range(asked.weeks)
    ]
    new = new_users(profiles, first, end - asked.hours * 3600)
    part_S = user_parts(log.num_sequences, asked.shares, seed)
    people = People(now, end, weekly[0], new, Moments.join(weekly), part_S)
    for name, part in (("train", TRAIN), ("validate", VALIDATION), ("test", TEST)):
        if not len(people.of(people.established, part)):
            raise ValueError(
                f"{log.name} leaves no established user to {name} on, on {_day(now)}; lower evaluation.days or "
                "evaluation.established_days, ask later, or take a longer log"
            )
    return people


def _day(time: int) -> str:
    return datetime.datetime.fromtimestamp(time, datetime.UTC).strftime("%Y-%m-%d")
