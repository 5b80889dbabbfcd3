"""The simulated streaming service."""

from urep_jax.data.datasets.streaming.streaming_dataset_builder import Builder, StreamingConfig

__all__ = ["Builder", "StreamingConfig"]
