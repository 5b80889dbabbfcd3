"""Last.fm-1K."""

from urep_jax.data.datasets.lastfm_1k.lastfm_1k_dataset_builder import Builder, Lastfm1kConfig

__all__ = ["Builder", "Lastfm1kConfig"]
