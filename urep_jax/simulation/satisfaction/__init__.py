"""Listeners whose satisfaction moves over weeks: an environment to train recommenders in, as pure functions."""

from urep_jax.simulation.satisfaction.choc_kale import choc_kale
from urep_jax.simulation.satisfaction.environment import Info, Observation, Recent, State, observe, reset, step, utility
from urep_jax.simulation.satisfaction.gym import SatisfactionEnvironment
from urep_jax.simulation.satisfaction.making import ItemParams, make_world
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.spaces import Box, Discrete, Record, Slate
from urep_jax.simulation.satisfaction.world import Hidden, Items, Listeners, World

__all__ = [
    "Box",
    "Discrete",
    "Hidden",
    "Info",
    "ItemParams",
    "Items",
    "Listeners",
    "Observation",
    "Recent",
    "Record",
    "SatisfactionEnvironment",
    "SatisfactionParams",
    "Slate",
    "State",
    "World",
    "choc_kale",
    "make_world",
    "observe",
    "reset",
    "step",
    "utility",
]
