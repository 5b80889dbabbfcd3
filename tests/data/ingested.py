"""How the tests of ingest write sources, read them in, and tell what came of it."""

import csv
import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from urep_jax.core.types import Feedback
from urep_jax.data.ingest import IngestReport, Part, ingest
from urep_jax.data.log import EventLog, load_log

HEADER = ("user_id", "item_id", "timestamp", "feedback")
GOOD = "user_id,item_id,timestamp,feedback\n" + "".join(f"u{n % 3},i{n},{1000 + n},up\n" for n in range(20))
NOW = 10_000

Event = tuple[str, str, int, str, str | None]


def told(log: EventLog) -> list[tuple[str, str, int, str]]:
    """A log as (user, item, time, feedback word), in its order."""
    users = np.repeat(np.array(log.sequence_ids.to_pylist()), np.diff(log.offsets))
    items = log.item_ids.to_pylist()
    return [
        (str(user), items[item], int(time), Feedback(feedback).word)
        for user, item, time, feedback in zip(users, log.item, log.timestamp, log.feedback, strict=True)
    ]


def read(source: Path, out: Path, **options: Any) -> tuple[EventLog, IngestReport]:
    """Ingest one part; options of the part and of `ingest` may be mixed."""
    told = {field.name: options.pop(field.name) for field in dataclasses.fields(Part) if field.name in options}
    part = Part(source=source, **told)
    report = ingest(part, out, **{"now": NOW, "max_rejected_share": 1.0, **options})
    return load_log(out), report


def rejects(out: Path) -> list[dict[str, str]]:
    with (out / "rejects.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write_csv(path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return path
