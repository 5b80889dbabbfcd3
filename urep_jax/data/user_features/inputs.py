"""`Inputs`: all that features are made from, in one order of users and items."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int16

from urep_jax.data.log import EventLog
from urep_jax.data.user_features.modality import Aligned, Modality
from urep_jax.data.user_features.profiles import CATEGORIES, NOT_KNOWN, Profiles, read_profiles


@dataclasses.dataclass(frozen=True, eq=False)
class Inputs:
    """A log, who its users are, and what encoders make of its items.

    Attributes:
        log: the log.
        profiles: its users.
        modalities: vectors of its items, by modality.
        artists: vectors of the profiles' artists, by modality.
        device: what each event was heard on, an index into `device_words`; None if the log doesn't tell.
        device_words: the devices that features tell of.
    """

    log: EventLog
    profiles: Profiles
    modalities: tuple[Aligned, ...]
    artists: tuple[Aligned, ...]
    device: Int16[np.ndarray, "E"] | None
    device_words: pa.StringArray


def read_inputs(
    log: EventLog,
    modalities: Sequence[Modality],
    artists: Sequence[Modality],
    *,
    tables: Mapping[str, pa.Table] | None = None,
    categories: Sequence[str] = CATEGORIES,
    words: Mapping[str, pa.StringArray] | None = None,
) -> Inputs:
    """Bring a log, its companion tables and vectors of items together.

    Args:
        log: the log.
        modalities: vectors of items; items of the log that have none count for nothing in that modality.
        artists: of each modality, vectors of artists (`Modality.by_artist`).
        tables: `users`, `items` and `onboarding`, those that there are.
        categories: columns of `users` that hold categories.
        words: those of a trained model (`words_of`): what it doesn't know is unknown. None takes this log's.
    """
    tables = tables or {}
    profiles = read_profiles(
        log.sequence_ids,
        log.item_ids,
        users=tables.get("users"),
        items=tables.get("items"),
        onboarding=tables.get("onboarding"),
        categories=categories,
        values=words,
    )
    aligned = tuple(modality.of(log.item_ids) for modality in modalities)
    device_words = log.device_ids if words is None else words["devices"]
    device = None
    if log.device is not None:
        code = pc.fill_null(pc.index_in(log.device_ids, value_set=device_words), NOT_KNOWN)
        # The last entry stands for events that don't tell: their device is -1.
        code_of = np.append(code.to_numpy(zero_copy_only=False), NOT_KNOWN).astype(np.int16)
        device = code_of[log.device]
    picked = tuple(one.of(profiles.artist_ids) for one in artists)
    return Inputs(log, profiles, aligned, picked, device, device_words)


def words_of(inputs: Inputs) -> dict[str, pa.StringArray]:
    """The words that features of these inputs tell of, to be kept with a model."""
    profiles = inputs.profiles
    return {
        **profiles.values,
        "language_ids": profiles.language_ids,
        "devices": inputs.device_words,
    }
