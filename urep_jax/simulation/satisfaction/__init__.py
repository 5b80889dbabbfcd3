"""Listeners whose satisfaction moves over weeks: an environment to train recommenders in, as pure functions."""

from urep_jax.simulation.satisfaction.environment import Info, Observation, Recent, State, observe, reset, step, utility
from urep_jax.simulation.satisfaction.making import ItemParams, make_world
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import Hidden, Items, Listeners, World

__all__ = [
    "Hidden",
    "Info",
    "ItemParams",
    "Items",
    "Listeners",
    "Observation",
    "Recent",
    "SatisfactionParams",
    "State",
    "World",
    "make_world",
    "observe",
    "reset",
    "step",
    "utility",
]
