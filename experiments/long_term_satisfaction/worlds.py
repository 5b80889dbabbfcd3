"""The worlds that agents train in, and those that they are judged in."""

from typing import NamedTuple

import numpy as np
from rich.console import Console

from experiments.long_term_satisfaction.settings import Settings
from experiments.long_term_satisfaction.side_by_side import at_home, each
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
        training: where agents train.
        judging: by name of the circumstances, the places of each seed; `known` is where agents have trained.
    """

    training: tuple[World, ...]
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

    def make(number: int) -> tuple[World, dict[str, Place]]:
        seed = settings.seeds[number]
        whole = make_world(settings.streaming, seed, settings.items, settings.offer)
        key = stream(seed, "changes")
        before_V, after_V = some_are_new(key, whole.items.style.shape[0], settings.new_items)
        before = with_items(stream(seed, "before"), whole, before_V, settings.offer)
        known = with_listeners(before, np.arange(settings.known_listeners, dtype=np.int32))
        followed = np.arange(settings.listeners, dtype=np.int32)
        # The world of all listeners, so that what is followed in it is one program.
        places = {"known": Place(before, followed), "new_listeners": Place(before, settings.known_listeners + followed)}
        if settings.new_items:
            places["new_items"] = Place(with_items(stream(seed, "after"), whole, after_V, settings.offer), followed)
        homes = {name: Place(at_home(number, place.world), place.listeners) for name, place in places.items()}
        return at_home(number, known), homes

    with console.status("making worlds"):
        training, places = zip(*each(make, len(settings.seeds)), strict=True)
    return Worlds(training, {name: tuple(of[name] for of in places) for name in places[0]})
