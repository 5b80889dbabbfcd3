"""Last.fm-1K: what a thousand users listened to, read as plays."""

import dataclasses
import datetime
import os
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.datasets.lastfm_1k.items import write_items
from urep_jax.data.datasets.lastfm_1k.layout import LISTENS, PROFILES, TRACK_NAMES
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.parts import Part
from urep_jax.data.log import EventLog

HOME = "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html"

_FILES = ("userid-timestamp-artid-artname-traid-traname.tsv", "userid-profile.tsv")
_FOLDER = "lastfm-dataset-1K"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lastfm1kConfig(EventsConfig):
    """Last.fm-1K; nobody says what they like.

    Attributes:
        path: folder of the publisher's two files, or the one that holds `lastfm-dataset-1K`.
        played: what a listen is: `play` or `up`.
        until: a date; what is dated that day (UTC) or later is rejected.

    Raises:
        ValueError: if `played` is another word, or `until` no date.
    """

    path: str | os.PathLike[str]
    played: str = "play"
    until: str = "2009-07-01"

    def __post_init__(self) -> None:
        if self.played not in ("play", "up"):
            raise ValueError(f"played is {self.played!r}, but must be one of play, up")
        try:
            datetime.date.fromisoformat(self.until)
        except ValueError:
            raise ValueError(f"until is {self.until!r}, but must be a date such as 2009-07-01") from None

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of Last.fm-1K."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """The listens, and the users' profiles.

        Raises:
            FileNotFoundError: if one is missing; the message says where to get it.
        """
        path = Path(self.path)
        folder = path / _FOLDER if (path / _FOLDER).is_dir() else path
        for name in _FILES:
            if not (folder / name).is_file():
                raise FileNotFoundError(
                    f"{folder} holds no {name}; get {_FOLDER}.tar.gz from {HOME}, unpack it, and give its folder"
                )
        return [folder / name for name in _FILES]

    @property
    def now(self) -> int:
        """The latest second that is read, since 1970."""
        day = datetime.datetime.fromisoformat(self.until).replace(tzinfo=datetime.UTC)
        return int(day.timestamp()) - 1


class Builder(EventsBuilder[Lastfm1kConfig]):
    """Builds Last.fm-1K; one sequence is a user."""

    home = HOME

    def _read(self, folder: Path) -> EventLog:
        listens, profiles = self.settings.sources()
        part = Part(
            source=listens,
            columns={"item_id": "track_mbid"},
            item_names=TRACK_NAMES,
            feedback=self.settings.played,
            text=LISTENS,
        )
        log = self._ingest(part, folder, name=self.name, now=self.settings.now)
        write_items(listens, log.item_ids, folder / "items.parquet")
        columns = {"user_id": "#id", "registered_at": "registered"}
        write_companion("users", profiles, folder / "users.parquet", columns=columns, text=PROFILES)
        return log
