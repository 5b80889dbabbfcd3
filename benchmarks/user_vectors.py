"""Users/s of features, of the autoencoder's training and of its inference: `python -m benchmarks.user_vectors`.

The autoencoder is that of the paper's size, 2,000 features to 120 numbers, at batch 4,096 in float32. Its rates are
also told as a share of this machine's: of the floating-point operations that a plain matrix product does in a second,
the one of 4,096 x 2,000 by 2,000 x 2,000. All of them take turns, so that whatever else the machine does falls on each,
and the share is taken within each round. Operations are those of the dense layers, two for each weight and user, three
times as many in training; what activations, dropout, the loss and Adam take counts as time and not as work.

Features are made as batch inference makes them, from a log in memory: users' events at one moment to standardised x_u
over a week, a month and half a year, of three modalities of 80, 80 and 16 numbers, on one thread. The projection is the
sum of the two: core-hours for 600 million users, once.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa

from benchmarks import logs
from benchmarks.machine import describe
from urep_jax.data.log import EventLog
from urep_jax.data.user_features.batches import UserBatches
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.space import fit_space
from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.training.autoencoder import autoencoder_objective
from urep_jax.training.optimizers import adam
from urep_jax.training.parallel import parallelize

NUM_FEATURES, WIDTH, HIDDEN, DROPOUT = 2000, 120, (512, 256), 0.005
EVERYBODY = 600_000_000
"""Users that are told of once a day: what Spotify has, about."""

_MODALITIES = {"collaborative": 80, "audio": 80, "shows": 16}
_BLOCK = 4096
"""Users whose features are made at once, as `serving.user_encoder` does."""

Turn = Callable[[], int]
"""Does some work and waits for it; returns how many users, or operations, that was."""


def operations(cfg: AutoencoderConfig) -> int:
    """Floating-point operations of one user's way through the encoder; the decoder takes as many."""
    widths = (cfg.num_features, *cfg.hidden, cfg.width)
    return 2 * sum(a * b for a, b in itertools.pairwise(widths))


def matmul() -> Turn:
    """A plain matrix product; returns its operations."""
    key = jax.random.key(0)
    left = jax.random.normal(key, (_BLOCK, NUM_FEATURES))
    right = jax.random.normal(key, (NUM_FEATURES, NUM_FEATURES))
    product = jax.jit(jnp.matmul).lower(left, right).compile()

    def turn() -> int:
        jax.block_until_ready(product(left, right))
        return 2 * _BLOCK * NUM_FEATURES**2

    return turn


def inference(cfg: AutoencoderConfig, batch_size: int) -> Turn:
    """x_u on the host to z_u on the host."""
    params = jax.jit(lambda key: autoencoder.init(key, cfg))(jax.random.key(0))
    x = np.random.default_rng(0).normal(size=(batch_size, cfg.num_features)).astype(np.float32)
    encode = jax.jit(lambda params, x: autoencoder.encode(params, x, cfg)).lower(params, x).compile()

    def turn() -> int:
        jax.device_get(encode(params, x))
        return batch_size

    return turn


def training(cfg: AutoencoderConfig, batch_size: int) -> Turn:
    """Steps of the one trainer, with batches from its source."""
    x = np.random.default_rng(0).normal(size=(4 * batch_size, cfg.num_features)).astype(np.float32)
    ids = pa.array([str(n) for n in range(len(x))])
    iterator = UserBatches(x.__getitem__, ids, batch_size, seed=0).iterate(1 << 30)
    parallel = parallelize(autoencoder_objective(cfg), adam(1e-3), 0, batch_size)
    state = [parallel.init()]

    def turn() -> int:
        state[0], info = parallel.step(parallel.key, state[0], parallel.put_batch(next(iterator)))
        jax.device_get(info)
        return batch_size

    return turn


def features(log: EventLog) -> Turn:
    """x_u of users, one block after the other."""
    rng = np.random.default_rng(0)
    modalities = [
        Modality.trained(name, log.item_ids, rng.normal(size=(log.num_items, width)).astype(np.float32))
        for name, width in _MODALITIES.items()
    ]
    users = pa.table(
        {
            "user_id": log.sequence_ids,
            "country": [f"country {n}" for n in rng.integers(0, 50, log.num_sequences)],
            "age": rng.integers(13, 80, log.num_sequences).astype(np.int32),
        }
    )
    every, now = np.arange(log.num_sequences), int(log.timestamp.max()) + 1
    fitted = every[: 2 * _BLOCK]
    space = fit_space(log, {"users": users}, modalities, fitted, np.full(len(fitted), now), FeatureConfig())
    inputs = space.read(log, {"users": users})
    place = [0]

    def turn() -> int:
        user = every[place[0] : place[0] + _BLOCK]
        place[0] = (place[0] + _BLOCK) % max(log.num_sequences - _BLOCK + 1, 1)
        space(inputs, user, np.full(len(user), now))
        return len(user)

    return turn


def measure(turns: dict[str, Turn], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Rates of each: they take turns of some seconds. What is done first, which compiles, isn't counted."""
    for turn in turns.values():
        turn()
    rates: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            before, done = time.perf_counter(), 0
            while time.perf_counter() < before + seconds:
                done += turn()
            rates[name].append(done / (time.perf_counter() - before))
    return rates


def summary(rates: dict[str, list[float]], cfg: AutoencoderConfig, cores: int) -> dict[str, Any]:
    """Medians, shares of the machine's rate, and what everybody costs."""
    machine = rates["matmul"]
    work = {"inference": operations(cfg), "training": 6 * operations(cfg)}
    told: dict[str, Any] = {"matmul_gflop_per_s": round(statistics.median(machine) / 1e9, 1)}
    for name, operations_of_user in work.items():
        share = [rate * operations_of_user / peak for rate, peak in zip(rates[name], machine, strict=True)]
        told[name] = {
            "users_per_s": round(statistics.median(rates[name])),
            "share_of_matmul": round(statistics.median(share), 3),
            "share_spread": [round(min(share), 3), round(max(share), 3)],
        }
    told["features"] = {
        "users_per_s": round(statistics.median(rates["features"])),
        "users_per_s_spread": [round(min(rates["features"])), round(max(rates["features"]))],
    }
    core_seconds = {
        "features": EVERYBODY / statistics.median(rates["features"]),
        "inference": EVERYBODY / statistics.median(rates["inference"]) * cores,
    }
    hours = {name: round(seconds / 3600, 1) for name, seconds in core_seconds.items()}
    told["everybody_core_hours"] = {**hours, "both": round(sum(core_seconds.values()) / 3600, 1)}
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each turn")
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--users", type=int, default=50_000, help="users of the generated log")
    arguments = parser.parse_args()
    cfg = AutoencoderConfig(NUM_FEATURES, WIDTH, HIDDEN, DROPOUT)
    log = logs.generated(arguments.users)
    turns = {
        "matmul": matmul(),
        "inference": inference(cfg, arguments.batch_size),
        "training": training(cfg, arguments.batch_size),
        "features": features(log),
    }
    machine = describe()
    results = summary(measure(turns, arguments.rounds, arguments.seconds), cfg, int(str(machine["cores"])))
    about = {"users": log.num_sequences, "events": log.num_events, "items": log.num_items}
    size = {"features": NUM_FEATURES, "hidden": HIDDEN, "width": WIDTH, "batch_size": arguments.batch_size}
    print(json.dumps({"machine": machine, "log": about, "autoencoder": size, "results": results}, indent=1))


if __name__ == "__main__":
    main()
