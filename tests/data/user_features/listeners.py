"""A few listeners whose events and profiles are made at random, with gaps in all that may be missing."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from urep_jax.core.types import SECONDS_PER_DAY, Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of
from urep_jax.data.user_features.inputs import Inputs, read_inputs
from urep_jax.data.user_features.modality import Modality

ITEMS, ARTISTS = 12, 5
NOW = 300 * SECONDS_PER_DAY

COUNTRIES, LANGUAGES, DEVICES = ("BR", "DE", "SE"), ("de", "en", "pt"), ("desktop", "phone")


def modalities() -> tuple[Modality, ...]:
    """Two, which lack different items."""
    rng = np.random.default_rng(7)
    names = np.array([f"item {i}" for i in range(ITEMS)])
    return (
        Modality.trained("collaborative", pa.array(names[:-2]), rng.normal(size=(ITEMS - 2, 4)).astype(np.float32)),
        Modality.trained("audio", pa.array(names[3:]), rng.normal(size=(ITEMS - 3, 3)).astype(np.float32)),
    )


def log_of(seed: int, users: int = 24, events: int = 40, *, rich: bool = True) -> EventLog:
    """Events in the 300 days before `NOW`; the first user has none. A rich log tells of devices and of shares heard."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, events, users)
    lengths[0] = 0
    total = int(lengths.sum())
    owner = np.repeat(np.arange(users), lengths)
    time = rng.integers(0, NOW, total)
    order = np.lexsort((time, owner))
    ratio = np.where(rng.random(total) < 0.2, np.nan, rng.random(total)).astype(np.float32)
    return EventLog(
        name="listeners",
        granularity="user",
        offsets=offsets_of(lengths),
        item=rng.integers(0, ITEMS, total).astype(np.int32),
        timestamp=time[order],
        feedback=rng.choice([f for f in Feedback if f is not Feedback.NONE], total).astype(np.int8),
        sequence_ids=pa.array([f"user {u}" for u in range(users)]),
        item_ids=pa.array([f"item {i}" for i in range(ITEMS)]),
        device=rng.integers(-1, len(DEVICES), total).astype(np.int16) if rich else None,
        device_ids=pa.array(DEVICES if rich else [], pa.string()),
        played_ratio=ratio if rich else None,
    )


def tables(seed: int, users: int = 24) -> dict[str, pa.Table]:
    """Companions; the last two users are in none of them."""
    rng = np.random.default_rng([seed, 1])

    def some(values: list[object], share: float = 0.8) -> list[object]:
        return [value if rng.random() < share else None for value in values]

    ids = [f"user {u}" for u in range(users - 2)]
    registered = [int(rng.integers(-400, 300)) * SECONDS_PER_DAY for _ in ids]
    people = pa.table(
        {
            "user_id": ids,
            "country": some([str(rng.choice(COUNTRIES)) for _ in ids]),
            "age": pa.array(some([int(rng.integers(13, 80)) for _ in ids]), pa.int32()),
            "plan": some([str(rng.choice(["free", "premium"])) for _ in ids]),
            "registered_at": pa.array(some(registered), pa.int64()),
        }
    )
    artists = [list(rng.choice([f"artist {a}" for a in range(ARTISTS + 1)], rng.integers(0, 4))) for _ in ids]
    languages = [list(rng.choice(LANGUAGES, rng.integers(0, 3), replace=False)) for _ in ids]
    onboarding = pa.table(
        {
            "user_id": ids,
            "timestamp": pa.array([time + 60 for time in registered], pa.int64()),
            "artists": pa.array(some([[str(a) for a in own] for own in artists]), pa.list_(pa.string())),
            "languages": pa.array(some([[str(x) for x in own] for own in languages]), pa.list_(pa.string())),
        }
    )
    items = pa.table(
        {
            "item_id": [f"item {i}" for i in range(ITEMS)],
            "artist_id": some([f"artist {i % ARTISTS}" for i in range(ITEMS)]),
        }
    )
    return {"users": people, "onboarding": onboarding, "items": items}


def inputs(seed: int = 0, *, rich: bool = True) -> Inputs:
    """All together."""
    told = tables(seed) if rich else None
    return read_inputs(log_of(seed, rich=rich), modalities(), artists_of(told), tables=told)


def artists_of(told: Mapping[str, pa.Table] | None) -> tuple[Modality, ...]:
    """Vectors of the artists whom the items table tells of."""
    return tuple(modality.by_artist((told or {}).get("items")) for modality in modalities())
