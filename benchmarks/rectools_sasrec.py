"""RecTools' SASRec, trained as many batches as it is told: the other side of `benchmarks.training`.

Runs in an environment of its own and imports nothing of ours. Speaks over pipes: for each number of batches read from
standard input it trains as many and prints one line of JSON, and a last line when standard input ends.
"""

import argparse
import json
import resource
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel


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
            loss = float(torch.stack(self.losses).mean())
            tell(seconds=seconds, cpu_seconds=cpu_seconds, positions=self.positions, loss=loss)


def tell(**told: Any) -> None:
    """One line of JSON to whoever asked."""
    print(json.dumps(told), flush=True)


def finish() -> None:
    """Say what is known at the end, and end; the trainer offers no way to stop between two batches."""
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_per_unit
    tell(peak_rss_gib=round(peak / 2**30, 3), torch=torch.__version__, threads=torch.get_num_threads())
    raise SystemExit(0)


def interactions(folder: Path) -> pd.DataFrame:
    """The columns of a log written by `urep_jax.data.log.save_log`, as RecTools wants them."""
    offsets, item, seconds = (np.load(folder / f"{name}.npy") for name in ("offsets", "item", "timestamp"))
    user = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return pd.DataFrame(
        {Columns.User: user, Columns.Item: item, Columns.Weight: 1, Columns.Datetime: pd.to_datetime(seconds, unit="s")}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    for name in ("width", "blocks", "heads", "max-length", "batch-size", "threads", "n-negatives"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--dropout", type=float, required=True)
    parser.add_argument("--loss", choices=["softmax", "sampled_softmax", "gBCE"], required=True)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(arguments.threads)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1_000_000,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Lockstep()],
        )

    SASRecModel(
        n_blocks=arguments.blocks,
        n_heads=arguments.heads,
        n_factors=arguments.width,
        dropout_rate=arguments.dropout,
        session_max_len=arguments.max_length,
        loss=arguments.loss,
        n_negatives=arguments.n_negatives,
        gbce_t=0.75,
        batch_size=arguments.batch_size,
        get_trainer_func=trainer,
    ).fit(Dataset.construct(interactions(arguments.log)))


if __name__ == "__main__":
    main()
