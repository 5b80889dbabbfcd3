"""Worlds or agents side by side: one for each device, or for each core of a CPU."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax

A = TypeVar("A")
T = TypeVar("T")
Tree = TypeVar("Tree")


def each(work: Callable[[int], T], count: int) -> list[T]:
    """`work(0)` to `work(count - 1)`, each in a thread: compiled programs let other threads run.

    The first is alone, so that what it compiles is compiled once.
    """
    return [work(0), *side_by_side(work, range(1, count))]


def side_by_side(work: Callable[[A], T], of: Sequence[A]) -> list[T]:
    """`work` of each, as many at once as there are devices, or cores of a CPU; each compiles programs of its own."""
    devices = jax.devices()
    with ThreadPoolExecutor(_cores() if devices[0].platform == "cpu" else len(devices)) as pool:
        return list(pool.map(work, of))


def at_home(number: int, tree: Tree) -> Tree:
    """What is of a world, on the device that does its work."""
    devices = jax.devices()
    home: Any = devices[number % len(devices)]
    return jax.device_put(tree, home)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
