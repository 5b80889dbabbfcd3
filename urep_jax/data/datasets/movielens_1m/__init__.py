"""MovieLens-1M."""

from urep_jax.data.datasets.movielens_1m.movielens_1m_dataset_builder import Builder, Movielens1mConfig

__all__ = ["Builder", "Movielens1mConfig"]
