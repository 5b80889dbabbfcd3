"""Anybody's logs: an events table, mapped columns, and the companion tables that there are."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from urep_jax.data.datasets.base import EventsBuilder, EventsConfig
from urep_jax.data.ingest.companions import write_companion
from urep_jax.data.ingest.files import TextFormat, find_files
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.pipeline import check_options
from urep_jax.data.ingest.rules import Clock, Thresholds
from urep_jax.data.ingest.schema import COMPANIONS
from urep_jax.data.log import EventLog, Granularity


@dataclasses.dataclass(frozen=True, kw_only=True)
class InteractionsConfig(EventsConfig):
    """Where somebody's logs lie and how they are told.

    Attributes:
        path: Parquet or CSV file of events, a folder of them, or a pattern with `*`.
        name: what to call the data set.
        granularity: what the ids in `user_id` stand for, a `user` or a `session`.
        columns: the source's column names by the names of `schema.EVENTS`, where they differ.
        feedback_words: the library's feedback words by the source's, where they differ.
        thresholds: take the feedback from a number instead of a word.
        clock: put the time together from a date, an hour and a place in the sequence.
        where: read only rows that hold, in each of these columns, one of these values.
        text: how text files are laid out, those of companion tables too.
        max_rejected_share: largest share of rows, 0 to 1, that may be rejected.
        companions: files of companion tables by the names of `schema.COMPANIONS`.
        companion_columns: column names of companion tables, by table.
        beam: options of an Apache Beam pipeline that reads the events, for logs past one machine; see `ingest`.

    Example:
        >>> InteractionsConfig(path="logs/*.parquet", columns={"item_id": "song_id"}).granularity
        'user'
    """

    path: str | os.PathLike[str]
    name: str = "interactions"
    granularity: Granularity = "user"
    columns: Mapping[str, str] | None = None
    feedback_words: Mapping[str, str] | None = None
    thresholds: Thresholds | None = None
    clock: Clock | None = None
    where: Mapping[str, Sequence[str | int]] | None = None
    text: TextFormat = dataclasses.field(default_factory=TextFormat)
    max_rejected_share: float = 0.01
    companions: Mapping[str, str | os.PathLike[str]] | None = None
    companion_columns: Mapping[str, Mapping[str, str]] | None = None
    beam: Sequence[str] | None = None

    def __post_init__(self) -> None:
        for field in ("columns", "feedback_words", "where", "companions", "companion_columns"):
            value = getattr(self, field)
            if value is not None and not isinstance(value, Mapping):
                raise ValueError(f"{field} is {value!r}, but must be a mapping, such as {{a: b}}")
        if self.thresholds is not None and not isinstance(self.thresholds, Thresholds):
            raise ValueError(f"thresholds is {self.thresholds!r}, but must say a column and where ups and downs begin")
        if not isinstance(self.text, TextFormat):
            raise ValueError(f"text is {self.text!r}, but must say a delimiter, names, an encoding and a quote")
        check_options(self.beam)
        for table, columns in (self.companion_columns or {}).items():
            if not isinstance(columns, Mapping):
                raise ValueError(
                    f"companion_columns of {table} is {columns!r}, but must be a mapping, such as {{{table}: {{a: b}}}}"
                )
        for field in ("companions", "companion_columns"):
            for table in getattr(self, field) or {}:
                if table not in COMPANIONS:
                    raise ValueError(f"{field} names {table!r}, but must name one of {', '.join(COMPANIONS)}")

    def builder(self, data_dir: str | os.PathLike[str]) -> "Builder":
        """The builder of these logs."""
        return Builder(self, data_dir=data_dir)

    def sources(self) -> list[Path]:
        """Every file of the events and of the companions."""
        return [file for source in (self.path, *(self.companions or {}).values()) for file in find_files(source)]


class Builder(EventsBuilder[InteractionsConfig]):
    """Builds a data set from anybody's logs."""

    @property
    def granularity(self) -> Granularity:
        """What one sequence is, as the config says."""
        return self.settings.granularity

    def _read(self, folder: Path) -> EventLog:
        settings = self.settings
        part = Part(
            source=settings.path,
            columns=settings.columns or {},
            feedback_words=settings.feedback_words or {},
            thresholds=settings.thresholds,
            clock=settings.clock,
            where=settings.where or {},
            text=settings.text,
        )
        share = settings.max_rejected_share
        log = self._ingest(part, folder, name=settings.name, max_rejected_share=share, beam=settings.beam)
        for table, source in (settings.companions or {}).items():
            columns = (settings.companion_columns or {}).get(table, {})
            write_companion(table, source, folder / f"{table}.parquet", columns=columns, text=settings.text)
        return log
