"""RecTools' models, trained as many batches as they are told: the other side of `benchmarks.training`.

Runs in an environment of its own, which needs nothing but RecTools. Speaks over pipes: for each number of batches read
from standard input it trains as many and prints one line of JSON, and a last line when standard input ends.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools.dataset import Dataset

from benchmarks.rectools_models import add_options, build, dataset


class Lockstep(Callback):
    """Lets the trainer go on only as far as the numbers on standard input say."""

    def __init__(self) -> None:
        self.left, self.began, self.cpu_began, self.positions = 0, 0.0, 0.0, 0
        self.losses: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: dict, index: int) -> None:
        """Wait for the next number if what was asked for is done."""
        if self.left:
            return
        line = sys.stdin.readline()
        if not line:
            finish()
        self.left, self.positions, self.losses = int(line), 0, []
        self.began, self.cpu_began = time.perf_counter(), time.process_time()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: dict, index: int
    ) -> None:
        """Count the batch's targets, and tell if it was the last one asked for."""
        self.left -= 1
        self.positions += int((batch["y"] != 0).sum())
        self.losses.append(outputs["loss"].detach())
        if not self.left:
            seconds, cpu_seconds = time.perf_counter() - self.began, time.process_time() - self.cpu_began
            losses = torch.stack(self.losses).tolist()
            tell(seconds=seconds, cpu_seconds=cpu_seconds, positions=self.positions, losses=losses)


def tell(**told: Any) -> None:
    """One line of JSON to whoever asked."""
    print(json.dumps(told), flush=True)


def finish() -> None:
    """Say what is known at the end, and end; the trainer offers no way to stop between two batches."""
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit
    tell(peak_rss_gib=round(peak / 2**30, 3), torch=torch.__version__, threads=torch.get_num_threads())
    raise SystemExit(0)


def interactions(folder: Path) -> Dataset:
    """A log written by `urep_jax.data.log.save_log`."""
    offsets, item, seconds = (np.load(folder / f"{name}.npy") for name in ("offsets", "item", "timestamp"))
    return dataset(np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), item, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    add_options(parser)
    given = parser.parse_args()
    build(given, Lockstep(), times=True).fit(interactions(given.log))


if __name__ == "__main__":
    main()
