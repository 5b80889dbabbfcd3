"""Piki: likes, superlikes and dislikes of songs, read as ups and downs."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.published import find_published
from urep_jax.data.ingest.parts import Part
from urep_jax.data.log import EventLog

HOME = "https://github.com/sstoikov/piki-music-dataset"
URL = (
    "https://raw.githubusercontent.com/sstoikov/piki-music-dataset/e1f62c38b2a9aa689e4c14cf30537907ad656925"
    "/data/piki_dataset.csv.zip"
)

_COLUMNS = {"item_id": "song_id", "feedback": "liked"}
_LIKED = {"2": "up", "1": "up", "0": "down"}
_PERSONALIZED = (0, 1, 2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PikiConfig(EventsConfig):
    """Piki, up = liked or superliked, down = disliked.

    Attributes:
        path: the publisher's `piki_dataset.csv`, in its `.zip` or not, or a folder that holds it, or a copy of the
            repository. None downloads it.
        personalized: answers to which songs are read: 2 by a superliked artist, 1 recommended, 0 random.

    Raises:
        ValueError: if `personalized` names no song, or others than these.
    """

    path: str | os.PathLike[str] | None = None
    personalized: Sequence[int] = (1, 2)

    def __post_init__(self) -> None:
        object.__setattr__(self, "personalized", tuple(sorted(set(self.personalized))))
        if not self.personalized or not set(self.personalized) <= set(_PERSONALIZED):
            raise ValueError(
                f"personalized is {list(self.personalized)}, but must be one or more of {list(_PERSONALIZED)}"
            )

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of Piki."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """The file of answers, if it lies in a folder already.

        Raises:
            FileNotFoundError: if it doesn't; the message says where to get it.
        """
        if self.path is None:
            return []
        names = ("piki_dataset.csv", "piki_dataset.csv.zip")
        return [find_published(self.path, names, f"{HOME} (data/)", folders=["data"])]


class Builder(EventsBuilder[PikiConfig]):
    """Builds Piki; one sequence is a user."""

    home = HOME

    def _read(self, folder: Path) -> EventLog:
        found = self.settings.sources()
        answers = found[0] if found else self._download(URL, folder / "published")
        where = {"personalized": self.settings.personalized}
        part = Part(source=answers, columns=_COLUMNS, feedback_words=_LIKED, where=where)
        return self._ingest(part, folder, name=self.name)
