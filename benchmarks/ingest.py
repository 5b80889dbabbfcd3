"""Rows/s and peak memory of `ingest` on generated logs: `python -m benchmarks.ingest --rows 20000000`.

With `--engine duckdb beam` an Apache Beam pipeline reads them as well, in `--workers` processes of this machine.
"""

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


def generate(folder: Path, kind: str, rows: int, files: int) -> None:
    """Stream a log of `rows` events to Parquet or CSV files: a user per 100 rows, Zipf-like items, in random order."""
    users, items = max(rows // 100, 1), max(rows // 200, 1)
    options = "FORMAT parquet" if kind == "parquet" else "FORMAT csv, HEADER"
    with duckdb.connect() as db:
        db.execute("SET memory_limit = '1GB'")
        for file in range(files):
            first, last = rows * file // files, rows * (file + 1) // files
            db.execute(
                f"""
            COPY (
                SELECT 'user-' || hash(n) % {users} AS user_id,
                    floor(exp(ln({items}) * (hash(n + 1000000007) % 1000003) / 1000003.0))::BIGINT AS item_id,
                    1500000000 + (hash(n + 2000000011) % 30000000)::BIGINT AS timestamp,
                    ['up', 'down', 'skip', 'play'][1 + (hash(n + 3000000019) % 4)::BIGINT] AS feedback,
                    'station-' || hash(n + 4000000007) % 500 AS station_id
                FROM range({first}, {last}) AS numbers(n)
            ) TO '{folder}/{file}.{kind}' ({options})"""
            )


def measure(source: Path, out: Path, engine: str, workers: int) -> dict[str, float | int]:
    """Ingest `source` from this process; the peaks are its own, and the greatest of a worker's."""
    from urep_jax.data.ingest import ingest

    local = ["--runner=FnApiRunner", "--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]
    before = time.perf_counter()
    report = ingest(source, out, beam=local if engine == "beam" else None)
    seconds = time.perf_counter() - before
    own, worker = (
        resource.getrusage(who).ru_maxrss * _BYTES_PER_MAXRSS / 2**30
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "rows": report.rows,
        "events": report.events,
        "seconds": round(seconds, 2),
        "rows_per_s": round(report.rows / seconds),
        "peak_rss_gib": round(own, 3),
    } | ({"worker_peak_rss_gib": round(worker, 3)} if engine == "beam" else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--formats", nargs="+", choices=("parquet", "csv"), default=["parquet", "csv"])
    parser.add_argument("--engine", nargs="+", choices=("duckdb", "beam"), default=["duckdb"])
    parser.add_argument("--files", type=int, default=1, help="the log lies in so many; a worker of beam reads a file")
    parser.add_argument("--workers", type=int, default=2, help="processes of beam")
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.source is not None:
        print(json.dumps(measure(arguments.source, arguments.out, arguments.engine[0], arguments.workers)))
        return
    results: dict[str, dict[str, dict[str, float | int]]] = {engine: {} for engine in arguments.engine}
    for kind in arguments.formats:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "events"
            source.mkdir()
            generate(source, kind, arguments.rows, arguments.files)
            for engine in arguments.engine:
                # A process of its own: the peak must be ingest's, not the generator's.
                command = [sys.executable, "-m", "benchmarks.ingest", "--source", str(source), "--out", f"{folder}/log"]
                command += ["--engine", engine, "--workers", str(arguments.workers)]
                output = subprocess.run(
                    command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                results[engine][kind] = json.loads(output.stdout)
    print(json.dumps({"machine": describe(), "ingest": results}, indent=1))


if __name__ == "__main__":
    main()
