"""MovieLens-1M: a million ratings of films, read as ups and downs."""

import dataclasses
import os
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.movielens import RATING, find_source, unpack
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.files import TextFormat
from urep_jax.data.ingest.parts import Part
from urep_jax.data.log import EventLog

URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"


def _layout(*names: str) -> TextFormat:
    return TextFormat(delimiter="::", names=names, encoding="latin-1", quote="")


_RATINGS = _layout("user_id", "item_id", "rating", "timestamp")
_USERS = _layout("user_id", "gender", "age", "occupation", "zip")
_MOVIES = _layout("item_id", "title", "genres")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Movielens1mConfig(EventsConfig):
    """MovieLens-1M, up = 4 or 5 stars, down = 3 or fewer.

    Attributes:
        path: folder of `users.dat` and `movies.dat`, and of the ratings: `events.parquet` (an events table) if it is
            there, else the publisher's `ratings.dat`. None downloads the publisher's archive.
    """

    path: str | os.PathLike[str] | None = None

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of MovieLens-1M."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """Ratings, users and films, if they lie in a folder already."""
        if self.path is None:
            return []
        ratings = "events.parquet" if (Path(self.path) / "events.parquet").is_file() else "ratings.dat"
        return [find_source(self.path, name, URL) / name for name in (ratings, "users.dat", "movies.dat")]


class Builder(EventsBuilder[Movielens1mConfig]):
    """Builds MovieLens-1M; one sequence is a user."""

    home = URL

    def _read(self, folder: Path) -> EventLog:
        settings = self.settings
        if settings.path is None:
            settings = Movielens1mConfig(path=unpack(self._download(URL), folder))
        ratings, users, movies = settings.sources()
        published = ratings.suffix == ".dat"
        part = Part(source=ratings, thresholds=RATING, text=_RATINGS) if published else Part(source=ratings)
        log = self._ingest(part, folder, name=self.name)
        write_companion("users", users, folder / "users.parquet", text=_USERS)
        write_companion("items", movies, folder / "items.parquet", text=_MOVIES)
        return log
