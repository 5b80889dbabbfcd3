"""The simulated streaming service: pure functions of parameters and a seed."""

from urep_jax.simulation.streaming.params import StreamingParams
from urep_jax.simulation.streaming.world import StreamingLog, StreamingWorld, make_streaming_world, simulate_streaming

__all__ = ["StreamingLog", "StreamingParams", "StreamingWorld", "make_streaming_world", "simulate_streaming"]
