"""MSSD: sessions of Spotify's Sequential Skip Prediction Challenge, read as ups and skips."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.files import find_files
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.pipeline import check_options
from urep_jax.data.ingest.rules import Clock
from urep_jax.data.log import EventLog, Granularity

HOME = "https://www.aicrowd.com/challenges/spotify-sequential-skip-prediction-challenge"

_COLUMNS = {"user_id": "session_id", "item_id": "track_id_clean"}
_CLOCK = Clock(day="date", hour="hour_of_day", place="session_position", last_place=20)
_SKIPPED = {"true": "skip", "false": "up", "True": "skip", "False": "up"}
_SKIP_COLUMNS = ("skip_1", "skip_2", "skip_3")
_CONTEXT_TYPES = ("radio", "editorial_playlist", "personalized_playlist", "user_collection", "catalog", "charts")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MssdConfig(EventsConfig):
    """MSSD, up = played, skip = skipped.

    Attributes:
        path: folder of the publisher's `training_set` and `track_features`, or of their files, or one file of logs.
        context_types: tracks that were heard in one of these contexts are read: `radio`, `editorial_playlist`,
            `personalized_playlist`, `user_collection`, `catalog`, `charts`.
        skipped: the column that says whether a track was skipped: `skip_1`, played very briefly, `skip_2`, briefly, or
            `skip_3`, for the most part.
        beam: options of an Apache Beam pipeline that reads the logs; see `ingest`.

    Raises:
        ValueError: if `context_types` or `skipped` names something else.
    """

    path: str | os.PathLike[str]
    context_types: Sequence[str] = ("radio",)
    skipped: str = "skip_2"
    beam: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "context_types", tuple(sorted(set(self.context_types))))
        check_options(self.beam)
        if not self.context_types or not set(self.context_types) <= set(_CONTEXT_TYPES):
            raise ValueError(
                f"context_types is {list(self.context_types)}, but must be one or more of {list(_CONTEXT_TYPES)}"
            )
        if self.skipped not in _SKIP_COLUMNS:
            raise ValueError(f"skipped is {self.skipped!r}, but must be one of {', '.join(_SKIP_COLUMNS)}")

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of MSSD."""
        return Builder(self, data_dir=data_dir)

    def logs(self) -> Path:
        """The files of session logs, as a pattern that `find_files` knows.

        Raises:
            FileNotFoundError: if there are none; the message says where to get them.
        """
        path = Path(self.path)
        if path.is_file():
            return path
        pattern = _pattern(path, "training_set", "log_*.csv*")
        if pattern is None:
            raise FileNotFoundError(
                f"{path} holds no training_set/log_*.csv; get the training set at {HOME} (it needs a login), and "
                "unpack it there"
            )
        return pattern

    def features(self) -> Path | None:
        """The files of track features, as such a pattern; None if there are none."""
        return _pattern(Path(self.path), "track_features", "tf_*.csv*")

    def sources(self) -> list[Path]:
        """Every file of logs and of track features."""
        features = self.features()
        return find_files(self.logs()) + (find_files(features) if features else [])


class Builder(EventsBuilder[MssdConfig]):
    """Builds MSSD; one sequence is a session."""

    home = HOME

    @property
    def granularity(self) -> Granularity:
        """What one sequence is: always a session."""
        return "session"

    def _read(self, folder: Path) -> EventLog:
        settings = self.settings
        part = Part(
            source=settings.logs(),
            columns=_COLUMNS | {"feedback": settings.skipped},
            feedback_words=_SKIPPED,
            clock=_CLOCK,
            where={"context_type": settings.context_types},
        )
        log = self._ingest(part, folder, name=self.name, beam=settings.beam)
        features = settings.features()
        if features is not None:
            write_companion("items", features, folder / "items.parquet", columns={"item_id": "track_id"})
        return log


def _pattern(path: Path, folder: str, names: str) -> Path | None:
    """The pattern of files called `names`, in the publisher's folder below `path` or in `path` itself."""
    return next((place / names for place in (path / folder, path) if any(place.glob(names))), None)
