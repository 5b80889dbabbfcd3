"""MovieTweetings."""

from urep_jax.data.datasets.movietweetings.movietweetings_dataset_builder import Builder, MovietweetingsConfig

__all__ = ["Builder", "MovietweetingsConfig"]
