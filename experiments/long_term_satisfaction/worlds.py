"""The worlds that agents train in, and those that they are judged in."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track

from experiments.long_term_satisfaction.settings import Settings
from urep_jax.core.streams import stream
from urep_jax.simulation.satisfaction.changes import some_are_new, with_items, with_listeners
from urep_jax.simulation.satisfaction.making import make_world
from urep_jax.simulation.satisfaction.world import World


class Place(NamedTuple):
    """Where agents are judged.

    Attributes:
        world: of one seed.
        listeners: who is followed, by number.
    """

    world: World
    listeners: np.ndarray


class Worlds(NamedTuple):
    """All worlds of a run.

    Attributes:
        training: where agents train, with a leading axis S.
        judging: by name of the circumstances, the places of each seed; `known` is where agents have trained.
    """

    training: World
    judging: dict[str, tuple[Place, ...]]


def make_worlds(settings: Settings, console: Console) -> Worlds:
    """Make a world of each seed.

    Agents train with the first of its listeners, and with a catalogue of which a share will retire. They are judged as
    they have trained; with listeners whom they haven't met (`new_listeners`); and with a catalogue in which as many
    items are new (`new_items`).

    Args:
        settings: the run's.
        console: where progress is shown.
    """
    training: list[World] = []
    judging: dict[str, list[Place]] = {}
    for seed in track(settings.seeds, "making worlds", console=console, transient=True):
        whole = make_world(settings.streaming, seed, settings.items, settings.offer)
        key = stream(seed, "changes")
        before_V, after_V = some_are_new(key, whole.items.style.shape[0], settings.new_items)
        before = with_items(stream(seed, "before"), whole, before_V, settings.offer)
        known = with_listeners(before, np.arange(settings.known_listeners, dtype=np.int32))
        followed = np.arange(settings.listeners, dtype=np.int32)
        training.append(known)
        judging.setdefault("known", []).append(Place(known, followed))
        if settings.new_listeners:
            new = np.arange(settings.known_listeners, settings.streaming.num_users, dtype=np.int32)
            judging.setdefault("new_listeners", []).append(Place(before, new))
        if settings.new_items:
            after = with_items(stream(seed, "after"), whole, after_V, settings.offer)
            judging.setdefault("new_items", []).append(Place(after, followed[: settings.new_listeners or None]))
    return Worlds(
        jax.tree.map(lambda *x: jnp.stack(x), *training), {name: tuple(places) for name, places in judging.items()}
    )
