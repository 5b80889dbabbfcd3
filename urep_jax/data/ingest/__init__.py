"""From anybody's files to an event log: schema and rules, reading, rejects, companion tables.

`events.py` is the way through; the other files are its steps.
"""

from urep_jax.data.ingest.events import IngestReport, ingest
from urep_jax.data.ingest.files import IngestError, TextFormat
from urep_jax.data.ingest.parts import Part
from urep_jax.data.ingest.rules import Clock, Thresholds

__all__ = ["Clock", "IngestError", "IngestReport", "Part", "TextFormat", "Thresholds", "ingest"]
