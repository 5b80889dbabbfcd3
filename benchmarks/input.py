"""Events/s of the training input, from the log in memory to batches: `python -m benchmarks.input`.

Reads through the Grain source as training does, with the negative-feedback settings (all feedback as input, cloze
tasks, batches of 128) with hard negatives and without. An event is an input position that holds one: padding is not
counted, nor is raw feedback that a crop passes over. The first batches, which start the reading thread, are not timed.
"""

import argparse
import json
import statistics
import time

from benchmarks import logs
from benchmarks.machine import describe
from urep_jax.core.types import Feedback
from urep_jax.data.log import EventLog
from urep_jax.data.sequences import SequenceConfig, Sequences
from urep_jax.data.source import TrainingBatches
from urep_jax.data.vocabulary import build_vocabulary

_WARM_UP = 5


def measure(
    log: EventLog, p_hard: float, steps: int, repeats: int, batch_size: int, readers: int
) -> dict[str, float | int]:
    """Read `steps` batches, several times, by so many threads."""
    split = logs.all_trains(log)
    before = time.perf_counter()
    sequences = Sequences(log, build_vocabulary(log, split), SequenceConfig(p_hard=p_hard))
    batches = TrainingBatches(sequences, split, batch_size, seed=0)
    setup_s = time.perf_counter() - before
    rates, events = [], 0
    for _ in range(repeats):
        iterator = batches.iterate(_WARM_UP + steps, readers=readers)
        for _ in range(_WARM_UP):
            next(iterator)
        before = time.perf_counter()
        parts = [part.feedback for _ in range(steps) for part in next(iterator)]
        seconds = time.perf_counter() - before
        events = sum(int((feedback != Feedback.NONE).sum()) for feedback in parts)
        rates.append(events / seconds)
    return {
        "events_per_s": round(statistics.median(rates)),
        "fastest_events_per_s": round(max(rates)),
        "events_per_batch": round(events / steps),
        "ms_per_batch": round(1000 * events / steps / statistics.median(rates), 2),
        "us_per_row": round(1e6 * events / steps / statistics.median(rates) / batch_size, 1),
        "setup_s": round(setup_s, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--readers", type=int, default=1, help="threads that make batches")
    parser.add_argument("--users", type=int, default=logs.MOVIELENS_USERS, help="users of the generated log")
    parser.add_argument("--generated-only", action="store_true", help="leave MovieLens-1M out")
    arguments = parser.parse_args()
    found = [logs.generated(arguments.users)]
    if (source := logs.movielens_events()) and not arguments.generated_only:
        found.append(logs.read_events(source))
    shape = (arguments.steps, arguments.repeats, arguments.batch_size, arguments.readers)
    results = {
        log.name: {
            "users": log.num_sequences,
            "events": log.num_events,
            **{
                name: measure(log, p_hard, *shape)
                for name, p_hard in {"random_negatives": 0.0, "hard_negatives": 1.0}.items()
            },
        }
        for log in found
    }
    print(json.dumps({"machine": describe(), "input": results}, indent=1))


if __name__ == "__main__":
    main()
