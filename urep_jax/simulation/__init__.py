"""The simulated streaming world: pure functions of parameters and a seed."""

from urep_jax.simulation.params import HABITS, Habit, RadioParams
from urep_jax.simulation.world import RadioLog, World, make_world, simulate

__all__ = ["HABITS", "Habit", "RadioLog", "RadioParams", "World", "make_world", "simulate"]
