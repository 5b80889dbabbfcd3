"""MovieTweetings: ratings of films from tweets, read as ups, skips and downs."""

import dataclasses
import os
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.published import find_published
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.files import TextFormat
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.rules import Thresholds
from urep_jax.data.log import EventLog

HOME = "https://github.com/sidooms/MovieTweetings"
URL = "https://raw.githubusercontent.com/sidooms/MovieTweetings/master"

_RATING = Thresholds(column="rating", up_from=8, down_to=5)
_RATINGS = TextFormat(delimiter="::", names=("user_id", "item_id", "rating", "timestamp"), quote="")
_MOVIES = TextFormat(delimiter="::", names=("item_id", "title", "genres"), quote="")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MovietweetingsConfig(EventsConfig):
    """MovieTweetings, up = 8 or more of 10, down = 5 or less, skip = between.

    Attributes:
        path: folder of the publisher's `ratings.dat`, or a copy of the repository, or the file of ratings itself. None
            downloads the publisher's files.
        movies: name of the file of films that lies beside the ratings; None leaves the films out.
        portion: which of the publisher's folders is downloaded: `latest`, or a snapshot such as `100K`.
    """

    path: str | os.PathLike[str] | None = None
    movies: str | None = "movies.dat"
    portion: str = "latest"

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of MovieTweetings."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """Ratings and films, if they lie in a folder already.

        Raises:
            FileNotFoundError: if they don't; the message says where to get them.
        """
        if self.path is None:
            return []
        ratings = find_published(self.path, ["ratings.dat"], f"{HOME} (latest/ or snapshots/)", folders=["latest"])
        if self.movies is None:
            return [ratings]
        movies = ratings.with_name(self.movies)
        if not movies.is_file():
            raise FileNotFoundError(
                f"{movies} doesn't exist; get it from {HOME}, say with movies what the file of films beside "
                f"{ratings.name} is called, or leave the films out with movies=null"
            )
        return [ratings, movies]


class Builder(EventsBuilder[MovietweetingsConfig]):
    """Builds MovieTweetings; one sequence is a user."""

    home = HOME

    def _read(self, folder: Path) -> EventLog:
        settings = self.settings
        if settings.path is None:
            portion = settings.portion if settings.portion == "latest" else f"snapshots/{settings.portion}"
            for name in ("ratings.dat", "movies.dat"):
                self._download(f"{URL}/{portion}/{name}", folder / "published")
            settings = MovietweetingsConfig(path=folder / "published")
        ratings, *movies = settings.sources()
        log = self._ingest(Part(source=ratings, thresholds=_RATING, text=_RATINGS), folder, name=self.name)
        for films in movies:
            write_companion("items", films, folder / "items.parquet", text=_MOVIES)
        return log
