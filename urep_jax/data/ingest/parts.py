"""`Part`: files of events that tell of them in the same way; a source is one part or several."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from urep_jax.core.types import FEEDBACK_WORDS
from urep_jax.data.ingest.fields import find_columns, lacking
from urep_jax.data.ingest.files import TextFormat
from urep_jax.data.ingest.filters import Filter
from urep_jax.data.ingest.names import joined
from urep_jax.data.ingest.rules import UNDO, Checks, Clock, Thresholds, check_words, event_checks
from urep_jax.data.ingest.schema import EVENTS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """Files of events that are told alike.

    Attributes:
        source: a Parquet or CSV file (`.gz` and `.zip` too), a folder of them, or a pattern with `*`.
        columns: the source's column names by the names of `schema.EVENTS`, where they differ.
        feedback: what every row says, where no column tells: a feedback word, or one of `rules.UNDO`.
        feedback_words: the library's feedback words by the source's, where they differ.
        thresholds: take the feedback from a number instead.
        clock: put the time together from a date, an hour and a place in the sequence.
        percent: whether `played_ratio` is told in percent; more than 100 counts as 100.
        where: read only rows that hold, in each of these columns, one of these values, as they stand in the file.
        item_names: what an item without an id goes by: of each group of columns the first that isn't empty, joined by
            tabs. Without any, or where a group is empty, its row is rejected.
        text: how text files are laid out.

    Raises:
        ValueError: if a value is out of range, or feedback is told in more than one way.
    """

    source: str | os.PathLike[str]
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    feedback: str | None = None
    feedback_words: Mapping[str, str] = dataclasses.field(default_factory=dict)
    thresholds: Thresholds | None = None
    clock: Clock | None = None
    percent: bool = False
    where: Mapping[str, Sequence[str | int]] = dataclasses.field(default_factory=dict)
    item_names: Sequence[Sequence[str]] = ()
    text: TextFormat = dataclasses.field(default_factory=TextFormat)

    def __post_init__(self) -> None:
        ways = {"feedback": self.feedback, "feedback_words": self.feedback_words, "thresholds": self.thresholds}
        given = [way for way, value in ways.items() if value]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} are both given; feedback is one word for all, or comes from words or a number"
            )
        if self.feedback is not None and self.feedback not in (*FEEDBACK_WORDS, *UNDO):
            raise ValueError(f"feedback is {self.feedback!r}, but must be one of {', '.join((*FEEDBACK_WORDS, *UNDO))}")
        check_words(self.feedback_words)
        for column, values in self.where.items():
            if isinstance(values, str) or not values:
                raise ValueError(f"where keeps {values!r} of {column!r}, but must be a list of one value or more")

    def checks(self, now: int) -> Checks:
        """The values and rules of these files' events, none of which may be later than `now`."""
        return event_checks(self.feedback_words, self.thresholds, now, clock=self.clock, percent=self.percent)

    @property
    def constants(self) -> dict[str, str]:
        """What every row says, by columns of the events table."""
        return {} if self.feedback is None else {"feedback": self.feedback}

    @property
    def kept(self) -> str:
        """SQL that is true of the rows that `where` keeps."""
        return " AND ".join(kept.keeps for kept in self.filters) or "true"

    @property
    def filters(self) -> list[Filter]:
        """What `where` asks of each column."""
        return [
            Filter(column, tuple(map(str, values)), f"where {number}")
            for number, (column, values) in enumerate(self.where.items())
        ]

    def named(self, fields: str) -> str:
        """SQL over raw columns, in which items without an id go by their names."""
        if not self.item_names:
            return fields
        return f"SELECT * REPLACE (coalesce(item_id, {joined(self._raw_names)}) AS item_id) FROM ({fields})"

    @property
    def _raw_names(self) -> list[list[str]]:
        """The columns of `item_names`, as SQL over raw columns knows them."""
        return [[f"name {column}" for column in group] for group in self.item_names]

    def find(self, path: Path, found: tuple[str, ...]) -> dict[str, str]:
        """Which columns of a file are read, by the names that values and rules know them by.

        Args:
            path: the file, for the message.
            found: the columns that it has.

        Raises:
            IngestError: if a column is missing.
        """
        mapping = dict(self.columns)
        if self.thresholds:
            mapping["feedback"] = self.thresholds.column
        if self.clock:
            mapping["timestamp"] = self.clock.day
        wanted = find_columns(path, found, EVENTS, mapping, may_lack=tuple(self.constants))
        further = {kept.raw: kept.column for kept in self.filters}
        if self.clock:
            further |= {"hour": self.clock.hour, "place": self.clock.place}
        further |= {f"name {column}": column for group in self.item_names for column in group}
        missing = [column for column in further.values() if column not in found]
        if missing:
            raise lacking(path, ", ".join(map(repr, missing)), found, "name one of them in where, clock or item_names")
        return {column: source for column, source in wanted.items() if column not in self.constants} | further
