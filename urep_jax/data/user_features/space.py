"""`FeatureSpace`: all that turns logs into the x_u that one autoencoder reads, fitted once and kept with it."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float32, Int, Int64

from urep_jax.core.spaces import refuse_mixed, space_of
from urep_jax.data.draft import draft_folder
from urep_jax.data.id_files import read_ids, write_ids
from urep_jax.data.log import EventLog
from urep_jax.data.user_features.features import feature_groups, user_features
from urep_jax.data.user_features.groups import FeatureConfig, Group
from urep_jax.data.user_features.inputs import Inputs, read_inputs, words_of
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.profiles import CATEGORIES
from urep_jax.data.user_features.standardisation import Standardisation, fit_standardisation

_FORMAT = 3


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureSpace:
    """Features as a trained model knows them.

    Attributes:
        cfg: which features there are.
        categories: columns of users that are categories.
        words: what categories, languages and devices are told of.
        modalities: vectors of items.
        artists: of each modality, vectors of artists.
        groups: what the columns of x_u are.
        standardisation: what they are scaled by.
    """

    cfg: FeatureConfig
    categories: tuple[str, ...]
    words: Mapping[str, pa.StringArray]
    modalities: tuple[Modality, ...]
    artists: tuple[Modality, ...]
    groups: tuple[Group, ...]
    standardisation: Standardisation

    @property
    def width(self) -> int:
        """F, the number of features."""
        return sum(group.width for group in self.groups)

    @property
    def knows_devices(self) -> bool:
        """Whether the log that it was fitted to told of devices, be they left out of the features or not."""
        return "devices" in {*self.cfg.without, *(group.name for group in self.groups)}

    def read(self, log: EventLog, tables: Mapping[str, pa.Table] | None = None) -> Inputs:
        """A log and its companions, `users` and `onboarding`, read as this space reads them.

        What it knows of artists is what was known when it was fitted.

        Devices that a log doesn't tell of are unknown, and those that the space doesn't tell of are not looked at.

        Raises:
            ValueError: if it tells of other categories than the space does.
        """
        inputs = read_inputs(
            log, self.modalities, self.artists, tables=tables, categories=self.categories, words=self.words
        )
        if not self.knows_devices:
            inputs = dataclasses.replace(inputs, device=None)
        elif inputs.device is None:
            inputs = dataclasses.replace(inputs, device=np.full(log.num_events, -1, np.int16))
        found = feature_groups(inputs, self.cfg)
        if found != self.groups:
            raise ValueError(
                f"log {log.name!r} has the features {', '.join(group.name for group in found)}, but the model reads "
                f"{', '.join(group.name for group in self.groups)}; name its columns as those of the training data"
            )
        return inputs

    def grown(self, modalities: Sequence[Modality], items: pa.Table | None) -> "FeatureSpace":
        """The same with more items, and with artists who had no vector; all that was fitted stays as it is.

        Who heard none of the new items keeps x_u to the bit. In a window of which the share s was new items, the mean
        of a modality's vectors of length 1 moves by at most 2 s.

        Args:
            modalities: those that there are, in their order, with more items (`Modality.grown`).
            items: as in `ingest.schema.ITEMS`; who has a vector already keeps it, whatever else is theirs by now.

        Raises:
            ValueError: if a modality is missing, or lacks or has changed an item that it had.
            SpaceMismatch: if one lies in another space.
        """
        if [one.name for one in modalities] != [one.name for one in self.modalities]:
            raise ValueError(
                f"there are vectors of {', '.join(one.name for one in modalities) or 'nothing'}, but the features are "
                f"made of {', '.join(one.name for one in self.modalities)}; give these, in this order"
            )
        artists = []
        for was, now, had in zip(self.modalities, modalities, self.artists, strict=True):
            refuse_mixed("add", was.space, now.space)
            kept = len(was.item_ids)
            if now.item_ids[:kept] != was.item_ids or not np.array_equal(now.vectors[:kept], was.vectors):
                raise ValueError(
                    f"vectors of {was.name!r} that were there have changed or are gone, but a space that grows keeps "
                    "them, and has them first; take Modality.grown"
                )
            every = now.by_artist(items)
            new = pc.invert(pc.is_in(every.item_ids, value_set=had.item_ids))
            artists.append(had.grown(every.item_ids.filter(new), every.vectors[np.asarray(new)]))
        return dataclasses.replace(self, modalities=tuple(modalities), artists=tuple(artists))

    def __call__(
        self, inputs: Inputs, user: Int[np.ndarray, "N"], time: Int64[np.ndarray, "N"]
    ) -> Float32[np.ndarray, "N F"]:
        """Standardised x_u of users at moments; see `user_features`.

        Args:
            inputs: from `read`.
            user: the log's numbers of users.
            time: seconds since 1970, UTC, for each of them.
        """
        return self.standardisation(user_features(inputs, user, time, self.cfg))


def fit_space(
    log: EventLog,
    tables: Mapping[str, pa.Table],
    modalities: Sequence[Modality],
    user: Int[np.ndarray, "N"],
    time: Int64[np.ndarray, "N"],
    cfg: FeatureConfig,
    categories: Sequence[str] = CATEGORIES,
) -> FeatureSpace:
    """Fit words and scales to users who train, at moments.

    Args:
        log: the log.
        tables: its companions, `users`, `items` and `onboarding`.
        modalities: vectors of items.
        user: numbers of the users who train.
        time: seconds since 1970, UTC, for each of them.
        cfg: which features.
        categories: columns of `users` that hold categories.
    """
    artists = tuple(modality.by_artist(tables.get("items")) for modality in modalities)
    inputs = read_inputs(log, modalities, artists, tables=tables, categories=categories)
    groups = feature_groups(inputs, cfg)
    standardisation = fit_standardisation(user_features(inputs, user, time, cfg), groups)
    return FeatureSpace(cfg, tuple(categories), words_of(inputs), tuple(modalities), artists, groups, standardisation)


def save_space(space: FeatureSpace, folder: str | os.PathLike[str]) -> None:
    """Write a space to `folder`, whole or not at all."""
    with draft_folder(folder) as draft:
        np.save(draft / "mean.npy", space.standardisation.mean, allow_pickle=False)
        np.save(draft / "scale.npy", space.standardisation.scale, allow_pickle=False)
        for name, words in space.words.items():
            write_ids(words, draft / f"words-{name}.arrow")
        for kind, vectors in (("modality", space.modalities), ("artists", space.artists)):
            for number, modality in enumerate(vectors):
                np.save(draft / f"{kind}-{number}.npy", modality.vectors, allow_pickle=False)
                write_ids(modality.item_ids, draft / f"{kind}-{number}.arrow")
        told = {
            "format": _FORMAT,
            "cfg": dataclasses.asdict(space.cfg),
            "categories": space.categories,
            "words": list(space.words),
            "modalities": [modality.space.plain() for modality in space.modalities],
            "groups": space.groups,
        }
        (draft / "space.json").write_text(json.dumps(told, indent=1))


def load_space(folder: str | os.PathLike[str]) -> FeatureSpace:
    """Read what `save_space` wrote.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it was written in a format that this version does not read.
    """
    folder = Path(folder)
    if not (folder / "space.json").is_file():
        raise FileNotFoundError(f"{folder} holds no features (no space.json); name the folder of a run that has begun")
    told: dict[str, Any] = json.loads((folder / "space.json").read_text())
    if told["format"] != _FORMAT:
        raise ValueError(f"{folder} is of format {told['format']}, and this version reads {_FORMAT}; train it again")
    cfg = told["cfg"]

    def vectors(kind: str) -> tuple[Modality, ...]:
        return tuple(
            Modality(space_of(own), read_ids(folder / f"{kind}-{number}.arrow"), _read(folder / f"{kind}-{number}.npy"))
            for number, own in enumerate(told["modalities"])
        )

    return FeatureSpace(
        cfg=FeatureConfig(tuple(cfg["windows"]), cfg["onboarding_days"], tuple(cfg["without"])),
        categories=tuple(told["categories"]),
        words={name: read_ids(folder / f"words-{name}.arrow") for name in told["words"]},
        modalities=vectors("modality"),
        artists=vectors("artists"),
        groups=tuple(Group(name, tuple(tags), width, kind) for name, tags, width, kind in told["groups"]),
        standardisation=Standardisation(_read(folder / "mean.npy"), _read(folder / "scale.npy")),
    )


def _read(path: Path) -> np.ndarray:
    found: np.ndarray = np.load(path, allow_pickle=False)
    return found
