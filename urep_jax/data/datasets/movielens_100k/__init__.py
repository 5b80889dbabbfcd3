"""MovieLens-100K."""

from urep_jax.data.datasets.movielens_100k.movielens_100k_dataset_builder import Builder, Movielens100kConfig

__all__ = ["Builder", "Movielens100kConfig"]
