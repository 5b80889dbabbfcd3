"""Training positions/s of our model under each loss, beside RecTools' models under their own in the same run.

    pip install torch==2.13.0 && pip install "rectools[torch]==0.19.0" torch==2.13.0      # in an environment of its own
    python -m benchmarks.training --rectools ENVIRONMENT/bin/python

Both train on the same log (MovieLens-1M if `UREP_DATA` holds it, every rating a positive interaction; otherwise a
generated look-alike), with the same width, length, batch, blocks, heads, expansion and dropout, on the same cores. Each
system is a process of its own that trains for some seconds, a batch at least, whenever it is its turn, so that whatever
else the machine does falls on all of them. A position is a real target: padding is not counted on either side, nor what
a model of gaps (`cloze_softmax`, RecTools' BERT4Rec) sees and isn't asked about. Losses are told for the first batch
that is timed, the third, and for the last that every system came to. Both sides begin at what chance gives. With the
same loss they come down alike; a sampled softmax of ours lies ln(items / negatives) higher, for it counts a sampled
item for as many, and gbce of ours is a sum over the negatives where RecTools' is a mean.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmarks import logs
from benchmarks.machine import describe, importable

WIDTH, BLOCKS, HEADS, EXPANSION, MAX_LENGTH, BATCH, DROPOUT = 128, 2, 1, 1, 200, 128, 0.2
LEARNING_RATE = 1e-3


class Case(NamedTuple):
    """A loss, its negatives, whether the whole batch has to share them, and what is asked: the next item, or gaps."""

    loss: Literal["softmax", "bce", "gbce", "sampled_softmax"]
    k_negatives: int = 1
    shared_by_batch: bool = False
    tasks: Literal["next", "cloze"] = "next"


CASES = {
    "softmax": Case("softmax"),
    "bce_1": Case("bce", 1),
    "sampled_softmax_256": Case("sampled_softmax", 256),
    "sampled_softmax_256_shared": Case("sampled_softmax", 256, shared_by_batch=True),
    "gbce_256_shared": Case("gbce", 256, shared_by_batch=True),
    "cloze_softmax": Case("softmax", tasks="cloze"),
}


class RecToolsCase(NamedTuple):
    """A loss of RecTools, the negatives that it draws for each position, and its model."""

    loss: Literal["softmax", "sampled_softmax", "gBCE"]
    n_negatives: int = 1
    model: Literal["sasrec", "bert4rec", "hstu"] = "sasrec"

    @property
    def tasks(self) -> Literal["next", "cloze"]:
        """What its model asks."""
        return "cloze" if self.model == "bert4rec" else "next"


RECTOOLS_CASES = {
    "rectools_softmax": RecToolsCase("softmax"),
    "rectools_sampled_softmax_256": RecToolsCase("sampled_softmax", 256),
    "rectools_gbce_256": RecToolsCase("gBCE", 256),
    "rectools_bert4rec": RecToolsCase("softmax", model="bert4rec"),
    "rectools_hstu": RecToolsCase("softmax", model="hstu"),
}


def is_set_beside(case: str, peer: str) -> bool:
    """Whether one of ours is compared with one of RecTools': both ask alike, and it has our loss or full softmax."""
    if case not in CASES or CASES[case].tasks != RECTOOLS_CASES[peer].tasks:
        return False
    return peer == "rectools_softmax" or CASES[case].loss == RECTOOLS_CASES[peer].loss.lower()


class System:
    """A process that trains when it is told to; its first two batches warm it up.

    Attributes:
        seconds_a_batch: how long the second of these took.
    """

    def __init__(self, command: list[str], huge_pages: bool) -> None:
        self._command = command
        # As `experiments.run` does for itself; the C library reads it when a process starts.
        env = os.environ | importable() | ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"} if huge_pages else {})
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        # Waited for, so that no two systems compile or warm up at a time.
        self.train(1)
        self.seconds_a_batch: float = self.train(1)["seconds"]

    def train(self, batches: int) -> dict[str, Any]:
        """Train some batches; returns their `seconds`, `cpu_seconds` and `positions`, and each one's `losses`."""
        assert self._process.stdin is not None
        print(batches, file=self._process.stdin, flush=True)
        return self._answer()

    def end(self) -> dict[str, Any]:
        """End the process; returns what it knows of itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        told = self._answer()
        self._process.wait()
        return told

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(self._command)} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def serve(folder: Path, case: Case, strata: int, batch_size: int) -> None:
    """Our side: train as many batches as each line of standard input says."""
    import jax

    from urep_jax.data.log import load_log
    from urep_jax.data.negatives import MAX_DRAWN_IDS, negative_sampler
    from urep_jax.data.sequences import SequenceConfig, Sequences
    from urep_jax.data.source import TrainingBatches
    from urep_jax.data.vocabulary import build_vocabulary, item_counts
    from urep_jax.models.transformer import TransformerConfig
    from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
    from urep_jax.training.optimizers import adam
    from urep_jax.training.parallel import parallelize

    log = load_log(folder)
    split = logs.all_trains(log)
    vocabulary = build_vocabulary(log, split)
    sequences = Sequences(log, vocabulary, SequenceConfig(MAX_LENGTH, inputs=("up",), p_hard=0.0, tasks=case.tasks))
    batches = TrainingBatches(sequences, split, batch_size, seed=0, strata=strata)
    model = TransformerConfig(
        num_items=len(vocabulary.item_ids),
        max_length=MAX_LENGTH,
        width=WIDTH,
        blocks=BLOCKS,
        heads=HEADS,
        expansion=EXPANSION,
        dropout=DROPOUT,
        attention="causal" if case.tasks == "next" else "bidirectional",
        feedback=False,
    )
    # The larger the batch is said to be, the further its positions share: past MAX_DRAWN_IDS rows, all of them do.
    loss = LossConfig(case.loss, case.k_negatives, batch_size=MAX_DRAWN_IDS if case.shared_by_batch else batch_size)
    sampler = negative_sampler(item_counts(log, split, vocabulary))
    parallel = parallelize(negative_feedback_objective(model, loss, sampler), adam(LEARNING_RATE), 0, batch_size)
    iterator = batches.iterate(sys.maxsize)
    state = parallel.init()
    jitted: Any = parallel.step
    before = time.perf_counter()
    step = jitted.lower(parallel.key, state, parallel.put_batch(batches[0])).compile()
    compile_s = time.perf_counter() - before
    for line in sys.stdin:
        before, cpu_before, told = time.perf_counter(), time.process_time(), []
        for _ in range(int(line)):
            state, info = step(parallel.key, state, parallel.put_batch(next(iterator)))
            told.append((info.weight, info.loss))
        weights, losses = zip(*jax.device_get(told), strict=True)
        seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
        answer = {"seconds": seconds, "cpu_seconds": cpu_seconds, "positions": int(sum(weights))}
        print(json.dumps(answer | {"losses": [float(loss) for loss in losses]}), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"compile_s": round(compile_s, 2), "peak_rss_gib": round(peak / 2**30, 3)}), flush=True)


def measure(systems: dict[str, System], rounds: int, seconds: float) -> dict[str, list[dict[str, Any]]]:
    """Let the systems take turns of about so many seconds, a batch at least."""
    batches = {name: max(1, round(seconds / system.seconds_a_batch)) for name, system in systems.items()}
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, system in systems.items():
            turns[name].append(system.train(batches[name]))
    return turns


def times(peer: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]], count: str) -> dict[str, Any]:
    """How many times a peer's rate ours is, round by round: by the clock, and by the time its threads ran.

    Args:
        peer: what it is called in the results.
        ours: our answers.
        theirs: the peer's, of the same rounds.
        count: what is counted in an answer.
    """
    told: dict[str, Any] = {}
    for clock, name in {"seconds": f"times_{peer}", "cpu_seconds": f"times_{peer}_cpu"}.items():
        pairs = zip(ours, theirs, strict=True)
        ratio = [(our[count] / our[clock]) / (their[count] / their[clock]) for our, their in pairs]
        told[name] = round(statistics.median(ratio), 2)
        told[f"{name}_spread"] = [round(min(ratio), 2), round(max(ratio), 2)]
    return told


def summary(turns: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Rates of each system, and of ours as multiples of RecTools': by the clock, and by the time that threads ran.

    On a machine that does other things besides, the second is the steadier.
    """
    results: dict[str, dict[str, Any]] = {}
    losses = {name: [loss for turn in own for loss in turn["losses"]] for name, own in turns.items()}
    last = min(map(len, losses.values())) - 1
    for name, own in turns.items():
        batches = len(own[0]["losses"])
        rate = [turn["positions"] / turn["seconds"] for turn in own]
        results[name] = {
            "positions_per_s": round(statistics.median(rate)),
            "positions_per_s_spread": [round(min(rate)), round(max(rate))],
            "ms_per_batch": round(1000 * statistics.median(turn["seconds"] for turn in own) / batches, 1),
            "cpu_ms_per_batch": round(1000 * statistics.median(turn["cpu_seconds"] for turn in own) / batches, 1),
            "batches_of_a_turn": batches,
            "positions_per_batch": round(statistics.mean(turn["positions"] for turn in own) / batches),
            "loss_first_to_last": [round(losses[name][0], 3), round(losses[name][last], 3)],
        }
        for peer in RECTOOLS_CASES:
            if peer in turns and is_set_beside(name, peer):
                results[name] |= times(peer, own, turns[peer], "positions")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    beside = parser.add_mutually_exclusive_group(required=True)
    beside.add_argument("--rectools", metavar="PYTHON", help="interpreter of an environment that has rectools[torch]")
    beside.add_argument("--without-rectools", action="store_true", help="measure our side only")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rectools-cases", nargs="+", choices=RECTOOLS_CASES, default=list(RECTOOLS_CASES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=8, help="of each system in each round, a batch at least")
    parser.add_argument("--strata", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=BATCH)
    parser.add_argument(
        "--ordinary-pages",
        choices=["none", "rectools", "all"],
        default="rectools",
        help="whose memory is in ordinary pages, as RecTools' is unless somebody sees to it (Linux)",
    )
    parser.add_argument("--users", type=int, help="train on a generated log of so many users")
    parser.add_argument("--serve", nargs=2, metavar=("CASE", "LOG"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(Path(arguments.serve[1]), CASES[arguments.serve[0]], arguments.strata, arguments.batch_size)
        return

    from urep_jax.data.log import save_log

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    source = logs.movielens_events()
    log = logs.read_events(source) if source and arguments.users is None else logs.generated(arguments.users or 6040)
    with tempfile.TemporaryDirectory() as folder:
        save_log(logs.all_liked(log), f"{folder}/log")
        shape = [f"--strata={arguments.strata}", f"--batch-size={arguments.batch_size}", "--without-rectools"]
        ours = [sys.executable, "-m", "benchmarks.training", *shape, "--serve"]
        ordinary = arguments.ordinary_pages
        systems = {name: System([*ours, name, f"{folder}/log"], ordinary != "all") for name in arguments.cases}
        if arguments.rectools:
            size = {"width": WIDTH, "blocks": BLOCKS, "heads": HEADS, "max-length": MAX_LENGTH, "dropout": DROPOUT}
            size |= {"batch-size": arguments.batch_size, "threads": arguments.threads, "learning-rate": LEARNING_RATE}
            for name in arguments.rectools_cases:
                case = {key.replace("_", "-"): value for key, value in RECTOOLS_CASES[name]._asdict().items()}
                options = [f"--{key}={value}" for key, value in (size | case).items()]
                command = [arguments.rectools, "-m", "benchmarks.rectools_training", f"{folder}/log", *options]
                systems[name] = System(command, ordinary == "none")
        results = summary(measure(systems, arguments.rounds, arguments.seconds))
        for name, system in systems.items():
            results[name] |= system.end()
    about = {"log": log.name, "users": log.num_sequences, "events": log.num_events, "items": log.num_items}
    about |= {"width": WIDTH, "blocks": BLOCKS, "heads": HEADS, "expansion": EXPANSION, "max_length": MAX_LENGTH}
    about |= {"batch_size": arguments.batch_size, "dropout": DROPOUT, "strata": arguments.strata}
    about |= {
        "ordinary_pages": arguments.ordinary_pages,
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "seconds": arguments.seconds,
    }
    print(json.dumps({"machine": describe(), "about": about, "training": results}, indent=1))


if __name__ == "__main__":
    main()
