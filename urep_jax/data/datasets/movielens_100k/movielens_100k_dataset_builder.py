"""MovieLens-100K: a hundred thousand ratings of films, read as ups and downs."""

import dataclasses
import os
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.movielens import RATING, find_source, unpack
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.files import TextFormat
from urep_jax.data.ingest.parts import Part
from urep_jax.data.log import EventLog

URL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"

_GENRES = (
    "unknown",
    "action",
    "adventure",
    "animation",
    "children",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "fantasy",
    "film_noir",
    "horror",
    "musical",
    "mystery",
    "romance",
    "sci_fi",
    "thriller",
    "war",
    "western",
)
_RATINGS = TextFormat(delimiter="\t", names=("user_id", "item_id", "rating", "timestamp"), quote="")
_USERS = TextFormat(delimiter="|", names=("user_id", "age", "gender", "occupation", "zip"), quote="")
_ITEMS = TextFormat(
    delimiter="|",
    names=("item_id", "title", "release_date", "video_release_date", "url", *_GENRES),
    encoding="latin-1",
    quote="",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movielens100kConfig(EventsConfig):
    """MovieLens-100K, up = 4 or 5 stars, down = 3 or fewer.

    Attributes:
        path: folder of the publisher's `u.data`, `u.user` and `u.item`. None downloads the publisher's archive.
    """

    path: str | os.PathLike[str] | None = None

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of MovieLens-100K."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """Ratings, users and films, if they lie in a folder already."""
        if self.path is None:
            return []
        return [find_source(self.path, name, URL) / name for name in ("u.data", "u.user", "u.item")]


class Builder(EventsBuilder[Movielens100kConfig]):
    """Builds MovieLens-100K; one sequence is a user."""

    home = URL

    def _read(self, folder: Path) -> EventLog:
        settings = self.settings
        if settings.path is None:
            settings = Movielens100kConfig(path=unpack(self._download(URL), folder))
        ratings, users, items = settings.sources()
        log = self._ingest(Part(source=ratings, thresholds=RATING, text=_RATINGS), folder, name=self.name)
        write_companion("users", users, folder / "users.parquet", text=_USERS)
        write_companion("items", items, folder / "items.parquet", text=_ITEMS)
        return log
