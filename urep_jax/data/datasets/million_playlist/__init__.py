"""The Million Playlist Dataset."""

from urep_jax.data.datasets.million_playlist.million_playlist_dataset_builder import Builder, MillionPlaylistConfig

__all__ = ["Builder", "MillionPlaylistConfig"]
