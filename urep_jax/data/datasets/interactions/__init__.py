"""Anybody's logs."""

from urep_jax.data.datasets.interactions.interactions_dataset_builder import Builder, InteractionsConfig

__all__ = ["Builder", "InteractionsConfig"]
