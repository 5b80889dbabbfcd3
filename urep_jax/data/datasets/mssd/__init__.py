"""MSSD, the Spotify Sequential Skip Prediction data set."""

from urep_jax.data.datasets.mssd.mssd_dataset_builder import Builder, MssdConfig

__all__ = ["Builder", "MssdConfig"]
