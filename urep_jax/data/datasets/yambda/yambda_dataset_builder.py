"""Yambda: listens, likes and dislikes of Yandex's music service, read as skips, plays, ups and downs."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.pipeline import check_options
from urep_jax.data.ingest.rules import Thresholds
from urep_jax.data.log import EventLog

HOME = "https://huggingface.co/datasets/yandex/yambda"
URL = f"{HOME}/resolve/main"

_LISTENS = "listens.parquet"
_THUMBS = {"likes.parquet": "up", "dislikes.parquet": "down"}
_UNDONE = {"unlikes.parquet": "undo up", "undislikes.parquet": "undo down"}
_EVENTS = (_LISTENS, *_THUMBS, *_UNDONE)
_ARTISTS = "artist_item_mapping.parquet"
_SIZES = ("50m", "500m", "5b")


@dataclasses.dataclass(frozen=True, kw_only=True)
class YambdaConfig(EventsConfig):
    """Yambda, up = like, down = dislike, skip = a listen cut short.

    Attributes:
        path: folder of the publisher's files of one size, or a copy of the data set. None downloads them.
        size: which size: `50m`, `500m` or `5b`; read where there are several, and for the download.
        skip_below: a listen to less of the track than this, in percent, is a skip; above 0, and at most 100.
        played: what any other listen is: `play` or `up`.
        is_organic: which listens, likes and dislikes are read: 1 by oneself, 0 by recommendation.
        beam: options of an Apache Beam pipeline that reads the events; see `ingest`.

    Raises:
        ValueError: if a value is none of these.
    """

    path: str | os.PathLike[str] | None = None
    size: str = "50m"
    skip_below: float = 50
    played: str = "play"
    is_organic: Sequence[int] = (0, 1)
    beam: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_organic", tuple(sorted(set(self.is_organic))))
        check_options(self.beam)
        for name, known in (("size", _SIZES), ("played", ("play", "up"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}, but must be one of {', '.join(known)}")
        if not 0 < self.skip_below <= 100:
            raise ValueError(f"skip_below is {self.skip_below}, but must be a percentage above 0 and at most 100")
        if not self.is_organic or not set(self.is_organic) <= {0, 1}:
            raise ValueError(f"is_organic is {list(self.is_organic)}, but must be one or more of [0, 1]")

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of Yambda."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """The five files of events, and that of artists if it is there; none if they are downloaded.

        Raises:
            FileNotFoundError: if a file of events is missing; the message says where to get it.
        """
        if self.path is None:
            return []
        path = Path(self.path)
        folders = (path, path / "flat" / self.size)
        folder = next((folder for folder in folders if any((folder / name).is_file() for name in _EVENTS)), path)
        for name in _EVENTS:
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder} holds no {name}; get it from {HOME} (flat/{self.size}), or leave the path out to have "
                    "it downloaded"
                )
        artists = path / _ARTISTS
        return [folder / name for name in _EVENTS] + ([artists] if artists.is_file() else [])


class Builder(EventsBuilder[YambdaConfig]):
    """Builds Yambda; one sequence is a user."""

    home = HOME

    def _read(self, folder: Path) -> EventLog:
        settings = self.settings
        if settings.path is None:
            published = folder / "published"
            for name in _EVENTS:
                self._download(f"{URL}/flat/{settings.size}/{name}", published)
            self._download(f"{URL}/{_ARTISTS}", published)
            settings = dataclasses.replace(settings, path=published)
        files = {path.name: path for path in settings.sources()}
        # A bin is five seconds wide: one can hear a track and judge it within. Only two thumbs contradict each other;
        # where a listen says up as well, not even they can be told apart from it.
        exclusive = ("up", "down") if settings.played == "play" else ()
        parts = _parts(files, settings)
        log = self._ingest(parts, folder, name=self.name, exclusive=exclusive, beam=settings.beam)
        if _ARTISTS in files:
            write_companion("items", files[_ARTISTS], folder / "items.parquet")
        return log


def _parts(files: dict[str, Path], settings: YambdaConfig) -> list[Part]:
    # What takes something back is nearly always organic, whatever it takes back: it isn't filtered.
    where = {"is_organic": settings.is_organic}
    heard = Thresholds("played_ratio_pct", up_from=settings.skip_below, down_to=0, high=settings.played, low="skip")
    listens = Part(
        source=files[_LISTENS],
        columns={"user_id": "uid", "played_ratio": "played_ratio_pct"},
        thresholds=heard,
        percent=True,
        where=where,
    )
    user = {"user_id": "uid"}
    thumbs = [Part(source=files[n], columns=user, feedback=word, where=where) for n, word in _THUMBS.items()]
    undone = [Part(source=files[n], columns=user, feedback=word) for n, word in _UNDONE.items()]
    return [listens, *thumbs, *undone]
