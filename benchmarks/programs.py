"""A compiled program as it runs: what each of its instructions is, and how long it took."""

import math
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
from jax.profiler import ProfileData

_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%(?P<name>[\w.\-]+) = (?P<shape>\([^=]*?\)|\S+) (?P<op>[\w\-]+)\((?P<rest>.*)$"
)
_COMPUTATION = re.compile(r"^(?:ENTRY )?%(?P<name>[\w.\-]+) \(")
_CALLED = re.compile(r"(?:calls|to_apply)=%([\w.\-]+)")
_PLACED = {"while", "call", "conditional"}
"""Instructions whose time is that of others."""

KINDS = {
    "products": {"dot"},
    "rows of tables": {"gather", "scatter"},
    "exponentials and the like": {"exponential", "tanh", "log", "erf", "power", "logistic", "log-plus-one"},
    "sums": {"reduce"},
    "arithmetic": {"add", "subtract", "multiply", "divide", "maximum", "select", "compare", "rsqrt", "xor"},
}
"""By what an instruction has within it, the first that fits; `MOVES` has none of these."""
MOVES = "moves and rounding"


class Instruction(NamedTuple):
    """One of a program's instructions.

    Attributes:
        kind: one of `KINDS`, or `MOVES`.
        operations: of its matrix products, floating point: two for each multiplication.
    """

    kind: str
    operations: int


def instructions(program: str) -> dict[str, Instruction]:
    """All instructions of a program that take time of their own, from XLA's text for it."""
    bodies: dict[str, list[re.Match[str]]] = {}
    body: list[re.Match[str]] = []
    for line in program.splitlines():
        if begins := _COMPUTATION.match(line):
            body = bodies.setdefault(begins["name"], [])
        elif found := _INSTRUCTION.match(line):
            body.append(found)

    def within(instruction: re.Match[str], around: list[re.Match[str]]) -> Iterator[tuple[str, int]]:
        """The operations that it stands for, and how many products each is."""
        yield instruction["op"], _operations(instruction, around) if instruction["op"] == "dot" else 0
        if instruction["op"] not in _PLACED:
            for called in _CALLED.findall(instruction["rest"]):
                for inner in bodies[called]:
                    yield from within(inner, bodies[called])

    kinds = {}
    for around in bodies.values():
        for one in around:
            if one["op"] not in _PLACED:
                parts = list(within(one, around))
                ops = {op for op, _ in parts}
                kind = next((kind for kind, own in KINDS.items() if own & ops), MOVES)
                kinds[one["name"]] = Instruction(kind, sum(count for _, count in parts))
    return kinds


def _operations(dot: re.Match[str], around: list[re.Match[str]]) -> int:
    left = re.match(r"%([\w.\-]+)", dot["rest"])
    summed = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", dot["rest"])
    assert left is not None
    assert summed is not None
    shape = _sizes(next(one["shape"] for one in around if one["name"] == left[1]))
    return 2 * math.prod(_sizes(dot["shape"])) * math.prod(shape[int(axis)] for axis in summed[1].split(",") if axis)


def _sizes(shape: str) -> list[int]:
    found = re.match(r"\w+\[([\d,]*)\]", shape)
    assert found
    return [int(size) for size in found[1].split(",") if size]


class Profile(NamedTuple):
    """What ran.

    Attributes:
        seconds: by kind of instruction.
        operations: of all matrix products.
    """

    seconds: Counter[str]
    operations: int


def profile(program: str, run: Callable[[], object]) -> Profile:
    """Run a compiled program, and say what took how long. Wants one core, so that no two instructions run at a time."""
    known = instructions(program)
    seconds: Counter[str] = Counter()
    operations = 0
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            jax.block_until_ready(run())
        (path,) = Path(folder).glob("**/*.xplane.pb")
        for plane in ProfileData.from_file(str(path)).planes:
            for line in plane.lines:
                for event in line.events:
                    if event.name in known:
                        seconds[known[event.name].kind] += event.duration_ns / 1e9
                        operations += known[event.name].operations
    return Profile(seconds, operations)
