"""`ingest`: anybody's event files become an event log, in memory that doesn't grow with them."""

import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from urep_jax.core.types import FEEDBACK_WORDS, Feedback
from urep_jax.data.draft import draft_folder
from urep_jax.data.ingest import pipeline
from urep_jax.data.ingest.files import IngestError, find_files
from urep_jax.data.ingest.order import SOURCE_COLUMN, Orders, write_log
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.reading import columns_of, connect, none_kept, read_file, scalar
from urep_jax.data.ingest.rejects import CONTRADICTED, REJECTS_FILE, Rejects
from urep_jax.data.log import Granularity

REPORT_FILE = "ingest.json"
"""Beside the log: the `IngestReport`."""


@dataclasses.dataclass(frozen=True)
class IngestReport:
    """What became of the rows: `rows == events + left_out + duplicates + undone + rejected`.

    Attributes:
        files: number of files read.
        rows: rows found in them; blank lines don't count.
        events: events of the log.
        sequences: users (or sessions) of the log.
        items: distinct items of the log.
        stations: distinct stations of the log.
        left_out: rows that `where` doesn't keep.
        duplicates: rows dropped because every column repeats an earlier row.
        undone: rows whose feedback was taken back the same day, and rows that take feedback back.
        rejected: rows dropped because they break a rule, contradictions among them.
        contradictions: rows whose user, item, station and time came with another feedback too.
        reasons: number of rejected rows by reason.
    """

    files: int
    rows: int
    events: int
    sequences: int
    items: int
    stations: int
    left_out: int
    duplicates: int
    undone: int
    rejected: int
    contradictions: int
    reasons: dict[str, int]


def ingest(
    source: str | os.PathLike[str] | Part | Sequence[Part],
    out_folder: str | os.PathLike[str],
    *,
    name: str = "interactions",
    granularity: Granularity = "user",
    exclusive: Sequence[str] = FEEDBACK_WORDS,
    max_rejected_share: float = 0.01,
    now: float | None = None,
    memory_limit: str = "768MB",
    beam: Sequence[str] | None = None,
) -> IngestReport:
    r"""Read event files and write them as an event log, with the rejects and a report beside it.

    Events are sorted by user, time and original row (parts as given, files by path, then rows). Users, items, stations
    and devices are numbered by their ids, shorter ids first, so that integers keep their order.

    A row that says `undo up` or `undo down` takes back what the user said of the item on the station earlier on the
    same UTC day, or in the same second, and neither gets into the log. What was read from a number by thresholds was
    never said, and stays. So does what is taken back on a later day, for that is a change of mind: no later row changes
    an earlier day, and a cut at midnight leaks nothing.

    Args:
        source: a Parquet or CSV file (`.gz` and `.zip` too), a folder of them, or a pattern with `*`, all in the
            library's names and words; files that are told otherwise are a `Part`, or several.
        out_folder: where the log goes; read it with `load_log`. It appears whole at the end, or not at all.
        name: the data set's name.
        granularity: what the ids in `user_id` stand for, a `user` or a `session`.
        exclusive: feedback words of which only one can hold for an item at a time; rows where several do are rejected.
        max_rejected_share: largest share of rows, 0 to 1, that may be rejected before the run stops.
        now: seconds since 1970; later events are rejected. Defaults to this moment.
        memory_limit: how much memory DuckDB may take before it goes to disk, in each worker where there are several.
        beam: options of an Apache Beam pipeline, such as `--runner=FlinkRunner`, whose workers do the work; the log is
            the same. Each must find the files and `out_folder` under the same paths. None: DuckDB does it here.

    Returns:
        What became of the rows.

    Raises:
        FileNotFoundError: if there is nothing to read at `source`.
        IngestError: if a file is empty, cut short or lacks a column, if `where` keeps nothing, or if too many rows are
            rejected.
        ExtraMissing: if there are options for Apache Beam, and it isn't installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     csv = Path(folder) / "events.csv"
        ...     _ = csv.write_text("user_id,item_id,timestamp,liked\nann,7,1000,yes\nann,8,1010,no\n")
        ...     words = {"yes": "up", "no": "down"}
        ...     part = Part(source=csv, columns={"feedback": "liked"}, feedback_words=words)
        ...     ingest(part, f"{folder}/log").events
        2
    """
    if not 0 <= max_rejected_share <= 1:
        raise ValueError(f"max_rejected_share is {max_rejected_share}, but must be a share from 0 to 1")
    pipeline.check_options(beam)
    if isinstance(source, str | os.PathLike):
        source = Part(source=source)
    parts = [source] if isinstance(source, Part) else list(source)
    kinds = tuple(Feedback.from_word(word) for word in exclusive)
    now = int(time.time() if now is None else now)
    sources = ", ".join(str(part.source) for part in parts)
    files = [(part, path) for part in parts for path in find_files(part.source)]
    with (
        draft_folder(out_folder) as draft,
        tempfile.TemporaryDirectory(dir=draft) as scratch,
        connect(scratch, memory_limit) as db,
    ):
        present = {column for part, path in files for column in columns_of(db, path, part)}
        orders = Orders(
            name=name,
            granularity=granularity,
            optional=tuple(column for column, raw in SOURCE_COLUMN.items() if raw in present),
            exclusive=kinds,
            by_place=any(part.clock for part in parts),
            unsaid=tuple(number for number, (part, _) in enumerate(files) if part.thresholds),
        )
        shards = None
        if beam is None:
            left_out = sum(read_file(db, path, number, part, now) for number, (part, path) in enumerate(files))
            rows = scalar(db, "SELECT count(*) FROM checked")
        else:
            shards = pipeline.run(files, now, orders, Path(scratch), options=beam, memory_limit=memory_limit)
            left_out, rows = shards.left_out, shards.rows
            shards.tell(db, "checked")
        # Nobody knows whether a damaged line would have been kept: it speaks for no other.
        if left_out and rows == scalar(db, "SELECT count(*) FROM checked WHERE blamed = ''"):
            raise none_kept(db, files, sources, left_out)
        if rows == 0:
            raise IngestError(f"{sources} has a header but no rows", "export it again")
        rejects = Rejects(db, [path for _, path in files], max_rejected_share)
        rejects.check(rows)
        if shards is None:
            log, duplicates = write_log(db, Path(scratch), draft, orders)
        else:
            log, duplicates = shards.merge(draft, orders.optional)
            shards.tell(db, "contradicted")
        rejects.check(rows)
        if log.num_events == 0:
            raise rejects.error(f"{sources}: none of its {rows:,} rows can be used")
        reasons = rejects.write(draft / REJECTS_FILE)
        rejected = sum(reasons.values())
        report = IngestReport(
            files=len(files),
            rows=rows + left_out,
            events=log.num_events,
            sequences=log.num_sequences,
            items=log.num_items,
            stations=log.num_stations,
            left_out=left_out,
            duplicates=duplicates,
            undone=rows - log.num_events - duplicates - rejected,
            rejected=rejected,
            contradictions=reasons.get(CONTRADICTED, 0),
            reasons=reasons,
        )
        (draft / REPORT_FILE).write_text(json.dumps(dataclasses.asdict(report), indent=1))
    return report
