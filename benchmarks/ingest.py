"""Rows/s and peak memory of `ingest` on generated logs: `python -m benchmarks.ingest --rows 20000000`."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.machine import describe

_BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024


def generate(path: Path, rows: int) -> None:
    """Stream a log of `rows` events to a Parquet or CSV file: a user per 100 rows, Zipf-like items, in random order."""
    users, items = max(rows // 100, 1), max(rows // 200, 1)
    options = "FORMAT parquet" if path.suffix == ".parquet" else "FORMAT csv, HEADER"
    with duckdb.connect() as db:
        db.execute("SET memory_limit = '1GB'")
        db.execute(
            f"""
            COPY (
                SELECT 'user-' || hash(n) % {users} AS user_id,
                    floor(exp(ln({items}) * (hash(n + 1000000007) % 1000003) / 1000003.0))::BIGINT AS item_id,
                    1500000000 + (hash(n + 2000000011) % 30000000)::BIGINT AS timestamp,
                    ['up', 'down', 'skip', 'play'][1 + (hash(n + 3000000019) % 4)::BIGINT] AS feedback,
                    'station-' || hash(n + 4000000007) % 500 AS station_id
                FROM range({rows}) AS numbers(n)
            ) TO '{path}' ({options})"""
        )


def measure(source: Path, out: Path) -> dict[str, float | int]:
    """Ingest `source` in this process; its peak memory is the process's."""
    from urep_jax.data.ingest import ingest

    before = time.perf_counter()
    report = ingest(source, out)
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _BYTES_PER_MAXRSS
    return {
        "rows": report.rows,
        "events": report.events,
        "seconds": round(seconds, 2),
        "rows_per_s": round(report.rows / seconds),
        "peak_rss_gib": round(peak / 2**30, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--formats", nargs="+", choices=("parquet", "csv"), default=["parquet", "csv"])
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.source is not None:
        print(json.dumps(measure(arguments.source, arguments.out)))
        return
    results = {}
    for kind in arguments.formats:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"events.{kind}"
            generate(source, arguments.rows)
            # A process of its own: the peak must be ingest's, not the generator's.
            command = [sys.executable, "-m", "benchmarks.ingest", "--source", str(source), "--out", f"{folder}/log"]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[kind] = json.loads(output)
    print(json.dumps({"machine": describe(), "ingest": results}, indent=1))


if __name__ == "__main__":
    main()
