"""RecTools' sequential models as the benchmarks train them; it and who imports it need nothing but RecTools."""

import argparse
import warnings

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, HSTUModel, SASRecModel
from rectools.models.nn.transformers.base import TransformerModelBase

MODELS = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel, "hstu": HSTUModel}


def add_options(parser: argparse.ArgumentParser) -> None:
    """What a model takes."""
    parser.add_argument("--model", choices=MODELS, required=True)
    for name in ("width", "blocks", "heads", "max-length", "batch-size", "threads", "n-negatives"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("dropout", "learning-rate"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--loss", choices=["softmax", "BCE", "gBCE", "sampled_softmax"], required=True)


def build(given: argparse.Namespace, callback: Callback, times: bool) -> TransformerModelBase:
    """A model that trains until the callback ends it; where there are no times, HSTU has no bias for them."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(given.threads)

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=1_000_000,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[callback],
        )

    return MODELS[given.model](
        n_blocks=given.blocks,
        n_heads=given.heads,
        n_factors=given.width,
        dropout_rate=given.dropout,
        session_max_len=given.max_length,
        loss=given.loss,
        n_negatives=given.n_negatives,
        gbce_t=0.75,
        lr=given.learning_rate,
        batch_size=given.batch_size,
        get_trainer_func=trainer,
        **({"relative_time_attention": times} if given.model == "hstu" else {}),
    )


def dataset(user: np.ndarray, item: np.ndarray, seconds: np.ndarray) -> Dataset:
    """Interactions as RecTools wants them."""
    moment = pd.to_datetime(seconds, unit="s")
    return Dataset.construct(
        pd.DataFrame({Columns.User: user, Columns.Item: item, Columns.Weight: 1, Columns.Datetime: moment})
    )
