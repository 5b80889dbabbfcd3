"""The simulated radio."""

from urep_jax.data.datasets.radio.radio_dataset_builder import Builder, RadioConfig

__all__ = ["Builder", "RadioConfig"]
