"""What training costs past one machine: `python -m benchmarks.scale` prints the page, as Markdown.

Arithmetic for 30 million tracks of 128 numbers and 600 million users on 8 and 64 H200s: memory, what is exchanged, and
the time that each takes. None of it was run on them. What can be checked without any is: the same formulas are set
beside compiled programs of small trainings on 1 to 8 pretended devices, where what counts is how they grow.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from experiments.tables import markdown_table
from urep_jax.training.layout import TableLayout


class Machine(NamedTuple):
    """One accelerator and its links; rates a second, as its maker tells them for dense matrices.

    Attributes:
        memory: bytes.
        products: operations of matrix products in TF32, or what of them is reached.
        reads: bytes from its own memory.
        near: bytes to others of its machine, each way.
        far: bytes to other machines.
        on_machine: how many share one.
    """

    memory: float
    products: float
    reads: float
    near: float
    far: float
    on_machine: int


H200 = Machine(memory=141e9, products=495e12, reads=4.8e12, near=450e9, far=50e9, on_machine=8)
"""NVIDIA H200 SXM, eight to a machine by NVLink, and 400 Gbit/s of network for each."""

BATCH = 512
"""Rows for each device at full size."""

REACHED = 0.4
"""Share of all these rates that is counted on."""

READING = 20e-6
"""Seconds of one core to read a row of 200 positions, as `python -m benchmarks.input --batch-size 512` tells."""

CORES = 14
"""Of the machine, for each accelerator: 112 in NVIDIA's DGX H200."""

_SHAPE = re.compile(r"\b(f32|s32|u32|s8|pred)\[([\d,]*)\]")
_BYTES = {"f32": 4, "s32": 4, "u32": 4, "s8": 1, "pred": 1}
_EXCHANGE = re.compile(r"= (.*?) (all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\(")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%([\w.\-]+) \(")
_BRANCHES = re.compile(r"true_computation=%([\w.\-]+)|branch_computations=\{%[\w.\-]+, %([\w.\-]+)\}")
"""What a step takes where a condition holds: the second of two branches."""


class Training(NamedTuple):
    """The negative-feedback transformer, row-sparse, with one random negative a task."""

    items: int
    width: int
    batch: int
    """Rows for each device."""
    length: int
    devices: int
    blocks: int = 2
    expansion: int = 4
    p_task: float = 0.15

    @property
    def tasks(self) -> int:
        """Of a row."""
        return max(1, round(self.p_task * self.length))

    @property
    def read(self) -> dict[str, int]:
        """Rows of each table that a device reads in a step: the most, as if none were read twice."""
        return {"item": 1 + self.batch * (self.length + 3 * self.tasks), "station": 1 + self.batch * self.length}

    @property
    def body(self) -> int:
        """Parameters that aren't tables."""
        D, E = self.width, self.expansion
        block = 4 * D * D + 2 * E * D * D + (E + 1) * D + 4 * D
        return self.blocks * block + (self.length + 5) * D + 2 * D

    def state(self, layout: TableLayout) -> float:
        """Bytes of parameters and Adam's two moments on each device."""
        tables = (3 + self.items) * self.width
        return 4 * 3 * (tables / (self.devices if layout == "rows" else 1) + self.body)

    def exchanged(self, layout: TableLayout) -> float:
        """Bytes that each device sends in a step, summed around a ring.

        Gradients of all that isn't in tables; with copies those of the rows that any device reads; where tables are
        cut, to each owner the numbers of rows and their gradients, and back the rows, with room for twice as many as it
        would be if they lay evenly.
        """
        others = (self.devices - 1) / self.devices
        sent = 2 * others * self.body
        for name, own in self.read.items():
            if layout == "copies":
                sent += 2 * others * own * self.devices * self.width
            else:
                part = math.ceil((3 + self.items if name == "item" else 3) / self.devices)
                sent += others * self.devices * min(part, math.ceil(2 * own / self.devices)) * (2 * self.width + 1)
        return 4 * sent

    @property
    def products(self) -> float:
        """Operations of matrix products of a device's part of a step and its gradient."""
        D, E, L = self.width, self.expansion, self.length
        position = 2 * (4 * D * D + 2 * E * D * D) + 2 * 2 * L * D
        return 3 * self.batch * L * self.blocks * position

    def touched(self, layout: TableLayout) -> float:
        """Bytes of a device's own memory for the rows that it learns: gathered, and written with their moments.

        With copies those that any device reads; where tables are cut, as many as it has room for in what it is asked.
        """
        return 4 * self.width * 8 * sum(self.read.values()) * (self.devices if layout == "copies" else 2)


def measured(training: Training, layout: TableLayout) -> dict[str, float]:
    """The same of the compiled step, on as many devices as this process has: nothing is run."""
    import jax
    import numpy as np

    from benchmarks.step_cost import full_batch
    from urep_jax.data.negatives import negative_sampler
    from urep_jax.models.transformer import TransformerConfig
    from urep_jax.training.negative_feedback import LossConfig, negative_feedback_objective
    from urep_jax.training.operations import step_operations
    from urep_jax.training.optimizers import adam
    from urep_jax.training.parallel import parallelize

    rows = training.batch * jax.device_count()
    model = TransformerConfig(
        training.items,
        max_length=training.length,
        width=training.width,
        blocks=training.blocks,
        expansion=training.expansion,
    )
    sampler = negative_sampler(np.ones(training.items, int))
    objective = negative_feedback_objective(model, LossConfig("bce", 1, batch_size=rows), sampler, "sparse")
    parallel = parallelize(objective, adam(1e-3), 0, rows, table_layout=layout)
    batch = full_batch(np.random.default_rng(0), training.items, rows, training.length)
    jitted: Any = parallel.step
    step = jitted.lower(parallel.key, parallel.stored_like, parallel.put_batch(batch)).compile()
    return {
        "state": step.memory_analysis().alias_size_in_bytes,
        "exchanged": sum(_sent(step.as_text(), jax.device_count())),
        "products": step_operations(objective, batch) / jax.device_count(),
    }


def _sent(program: str, devices: int) -> Iterator[float]:
    """Bytes that each device sends for each exchange of a compiled program, but for those where rows lie unevenly."""
    unevenly = {name for names in _BRANCHES.findall(program) for name in names if name}
    inside = ""
    for line in program.splitlines():
        if begins := _COMPUTATION.match(line):
            inside = begins[1]
        if inside not in unevenly and (found := _EXCHANGE.search(line)):
            size = 0
            for kind, shape in _SHAPE.findall(found[1]):
                count = 1
                for axis in filter(None, shape.split(",")):
                    count *= int(axis)
                size += _BYTES[kind] * count
            ring = (devices - 1) / devices
            yield size * {"all-reduce": 2 * ring, "collective-permute": 1.0}.get(found[2], ring)


SMALL = Training(items=20_000, width=32, batch=4, length=32, devices=1)
"""What is compiled to check the formulas."""


def agreement(training: Training, layout: TableLayout) -> dict[str, float]:
    """What the compiled program takes, as a multiple of what the formula says."""
    said = {"state": training.state(layout), "exchanged": training.exchanged(layout), "products": training.products}
    found = _in_a_process(training, layout)
    return {name: found[name] / value for name, value in said.items()}


def checked() -> list[list[str]]:
    """Formulas beside compiled programs, and how both grow."""
    layouts: tuple[TableLayout, ...] = get_args(TableLayout)
    cases = [(SMALL._replace(devices=devices), layout) for devices in (2, 4, 8) for layout in layouts]
    larger = ({"items": 80_000}, {"batch": 16}, {"width": 64}, {"length": 64})
    cases += [(SMALL._replace(devices=4, **more), "rows") for more in larger]
    rows = [["devices", "tables", "what is larger", "state", "exchanged", "products"]]
    for training, layout in cases:
        own = [
            name for name in ("items", "batch", "width", "length") if getattr(training, name) != getattr(SMALL, name)
        ]
        ratios = [f"{ratio:.2f}" for ratio in agreement(training, layout).values()]
        rows.append([str(training.devices), layout, ", ".join(own) or "–", *ratios])
    return rows


def _in_a_process(training: Training, layout: TableLayout) -> dict[str, float]:
    """`measured`, on devices that are pretended: JAX counts them when it starts."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={training.devices}"
    command = [sys.executable, "-m", "benchmarks.scale", "--measure", json.dumps([*training, layout])]
    env = os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def costs(devices: int, layout: TableLayout, machine: Machine = H200, batch: int = BATCH) -> dict[str, float]:
    """Bytes and seconds of a step at full size; each alone, as if nothing else took time."""
    training = Training(items=30_000_000, width=128, batch=batch, length=200, devices=devices)
    link = machine.near if devices <= machine.on_machine else machine.far
    tokens = 600_000_000 * training.length
    seconds = {
        "products": training.products / (REACHED * machine.products),
        "own memory": training.touched(layout) / (REACHED * machine.reads),
        "links": training.exchanged(layout) / (REACHED * link),
    }
    step = max(seconds.values())
    return {
        "state": training.state(layout),
        "share of memory": training.state(layout) / machine.memory,
        "exchanged": training.exchanged(layout),
        **seconds,
        "cores that read": training.batch * READING / step,
        "epoch": tokens / (training.batch * devices * training.length) * step,
    }


def full_size() -> list[list[str]]:
    """What it costs on 8 and on 64."""
    times = ["products", "own memory", "links"]
    rows = [["H200s", "tables", "state of each", "of its memory", "sent by each", *times, "cores that read", "epoch"]]
    for devices in (8, 64):
        for layout in get_args(TableLayout):
            one = costs(devices, layout)
            sizes = [
                f"{one['state'] / 1e9:.1f} GB",
                f"{one['share of memory']:.0%}",
                f"{one['exchanged'] / 1e9:.1f} GB",
            ]
            milliseconds = [f"{1000 * one[name]:,.1f} ms" for name in times]
            cores = f"{one['cores that read']:.1f}"
            rows.append([str(devices), layout, *sizes, *milliseconds, cores, f"{one['epoch'] / 3600:.1f} h"])
    return rows


def page() -> str:
    """The page."""
    return f"""# Past one machine

What `python -m benchmarks.scale` prints. **Arithmetic, not measured**: {REACHED:.0%} is counted on of what NVIDIA tells
of an H200 (TF32 {H200.products / 1e12:.0f} TFLOP/s, memory {H200.reads / 1e12:.1f} TB/s, NVLink
{H200.near / 1e9:.0f} GB/s each way within a machine of {H200.on_machine}, past it {H200.far / 1e9:.0f} GB/s for each).

30 million tracks of 128 numbers, row-sparse Adam, sequences of 200, {BATCH} of them for each device, 2 blocks, one
random negative a task. Times are for one step, each as if nothing else took any; an epoch visits 600 million users
once, at the slowest of them.

{markdown_table(full_size())}

- **The links saturate first** past one machine, with copies ever more: every device learns the rows that all devices
  read, so what it sends grows with their number, while its own products stay the same.
- With tables cut, each device asks the owners for the rows that it reads, and gives them the gradients: what it sends
  stays the same on any number of devices. Within a machine it takes as long as the products, on the network ten times
  as long. If a batch asks one owner for more than twice its share of rows, that step is taken as with copies.
- Each process reads the rows of its own devices only. A core reads {1 / READING:,.0f} a second (AMD EPYC,
  `python -m benchmarks.input --batch-size 512`; half as many with hard negatives), so that many would have to read for
  each device, of the {CORES} that it has in NVIDIA's DGX. A process for each device has one core that reads, and little
  more with `train.readers`, as threads wait for each other: within a machine, with tables cut, **reading saturates
  first**.
- Memory is no reason to cut the tables at this size: copies and their moments fill a third of an H200. Of four times
  as many tracks they would not fit.
- 600 million users have no table: they are their histories, and vectors that are made when they are asked for
  (`python -m benchmarks.user_vectors`).

## Checked against compiled programs

Small trainings, compiled for pretended devices and not run: what the program says, as a multiple of what the formula
does. That a ratio stays where it is, whatever grows, is what lets the formula be used at a size that can't be tried
here.

{markdown_table(checked())}

State: bytes that a step is given and writes over. Exchanged: all that devices send each other in the program, summed
around a ring, but for what is only sent where rows lie unevenly. Products: as `training.operations` counts them.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure is None:
        print(page(), end="")
        return
    *sizes, layout = json.loads(given.measure)
    print(json.dumps(measured(Training(*sizes), layout)))


if __name__ == "__main__":
    main()
