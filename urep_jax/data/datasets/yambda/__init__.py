"""Yambda."""

from urep_jax.data.datasets.yambda.yambda_dataset_builder import Builder, YambdaConfig

__all__ = ["Builder", "YambdaConfig"]
