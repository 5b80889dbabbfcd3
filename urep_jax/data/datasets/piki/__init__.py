"""Piki."""

from urep_jax.data.datasets.piki.piki_dataset_builder import Builder, PikiConfig

__all__ = ["Builder", "PikiConfig"]
