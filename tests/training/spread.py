"""The tiny training of `tests.training.tiny`, spread over devices and processes.

`python -m tests.training.spread FOLDER --layout rows` trains in FOLDER on all devices, or goes on, and prints what it
ended with; `--signal-at STEP` sends it a signal there, SIGKILL unless told. With `--processes`, `--process` and
`--port` it is one of several, each with the devices that its environment gives it.
"""

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np

from tests.evaluation.cases import cases_of
from tests.training.tiny import tiny_fit, tiny_model, tiny_training
from urep_jax.data.cases import Cases
from urep_jax.data.sequences import Batch, Sequences
from urep_jax.evaluation.model_scorer import question_vectors
from urep_jax.training.fit import Progress
from urep_jax.training.objective import Params


def asked(params: Params) -> dict[str, Any]:
    """What the model makes of some questions, ten at a time, and how many of them this process reads."""
    read: list[int] = []

    class Counted(Sequences):
        def question_batch(self, cases: Cases, rows: np.ndarray) -> Batch:
            read.append(len(rows))
            return super().question_batch(cases, rows)

    trained = tiny_training()[1].sequences
    sequences = Counted(trained.log, trained.vocabulary, trained.cfg)
    cases = cases_of(trained.log)
    vectors_CxD = question_vectors(params, tiny_model(), sequences, cases, chunk=10)
    return {"questions": len(cases), "read": read, "vectors": vectors_CxD.ravel().tolist()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layout", default="copies")
    parser.add_argument("--parallel", default="jit")
    parser.add_argument("--tables", default="sparse")
    parser.add_argument("--average", type=float, default=0.0)
    parser.add_argument("--signal-at", type=int)
    parser.add_argument("--signal", default="SIGKILL")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--port", type=int)
    given = parser.parse_args()
    if given.processes > 1:
        jax.distributed.initialize(f"localhost:{given.port}", given.processes, given.process)

    def watch(progress: Progress) -> None:
        if progress.step == given.signal_at:
            os.kill(os.getpid(), getattr(signal, given.signal))

    how = {"table_layout": given.layout, "parallel": given.parallel, "average": given.average}
    result = tiny_fit(given.folder, watch, given.tables, **how)
    rows = {name: table.shape[0] for name, table in result.params["tables"].items()}
    parts = {name: table.addressable_shards[0].data.shape[0] for name, table in result.params["tables"].items()}
    # What is cut is summed where it lies.
    sums = [float(jax.jit(lambda x: (x * (1 + x)).sum())(leaf)) for leaf in jax.tree.leaves(result.params)]
    told = {"devices": jax.device_count(), "rows": rows, "parts": parts, "sums": sums, "step": result.best.step}
    told["asked"] = asked(result.params)
    told |= {"losses": [epoch.loss for epoch in result.history], "ends": [epoch.step for epoch in result.history]}
    print(json.dumps(told | {"validations": [float(np.float32(epoch.validation)) for epoch in result.history]}))
    if given.processes > 1:
        jax.distributed.shutdown()


if __name__ == "__main__":
    main()
