"""What a space of items that grows is worth, and what it leaves as it is: with a fifth of the tracks held back at first.

    python -m benchmarks.grown_space

The collaborative encoder, the audio encoder, the autoencoder on users and the classifier of future listening are
trained on a simulated streaming service of which 20 % of the tracks are unknown: no playlist, no event and no table has
them. Then these tracks appear, and the spaces grow (`task=grow`): nothing is trained but the new tracks' vectors.

Told are the new tracks' vectors, beside random ones and those of a full retraining, by the purity of their ten nearest
tracks (genre) and by the continuation of playlists that were held out (NDCG@500 of the new tracks in them, given the
others); and old tracks, users and the classifier before and after.

It prints JSON, and the tables to the terminal besides.

Source: Generalized User Representations, §4.4.
"""

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hydra import compose, initialize_config_dir
from jaxtyping import Bool, Float32
from omegaconf import DictConfig
from rich.console import Console

from benchmarks.machine import describe
from experiments.data import made
from experiments.folder import RunFolder
from experiments.knobs import CONF
from experiments.tables import markdown_table, short
from experiments.user_representation.chain import Chain, make_features, train_autoencoder
from experiments.user_representation.components import principal_components
from experiments.user_representation.encoders import NDCG, Collaborative, Content, continued
from experiments.user_representation.future import future_listening
from experiments.user_representation.growth import grow
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TEST, People, Sources, find_people, load_sources
from experiments.user_representation.tasks import Trained
from experiments.user_representation.together import sets_of_items
from experiments.watch import WatchedFit
from urep_jax.core.streams import numpy_stream
from urep_jax.data.growth_split import growth_split
from urep_jax.data.log import EventLog
from urep_jax.data.ragged import offsets_of, running_count
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.modality_files import save_modality
from urep_jax.evaluation.neighbour_purity import neighbour_purity

SHARE = 0.2
NEIGHBOURS = 10


def held_back(sources: Sources, new: pa.StringArray) -> Sources:
    """The same before some tracks appeared: no table and no event has them."""
    log, tables = sources.log, dict(sources.tables)
    kept_E = ~np.asarray(pc.is_in(log.item_ids, value_set=new))[log.item]
    columns = {name: np.asarray(column)[kept_E] for name, column in log.columns()}
    for name in ("items", "playlists"):
        tables[name] = tables[name].filter(pc.invert(pc.is_in(tables[name]["item_id"], value_set=new)))
    lengths = np.diff(running_count(kept_E)[log.offsets])
    return Sources(dataclasses.replace(log, offsets=offsets_of(lengths), **columns), tables, sources.profiles)
