"""`CatalogueParams`: what tracks and artists are like, in the radio and in the streaming world alike.

"Table 1" is that of Mei, Bembom and Ehmann, "Negative Feedback for Music Personalization" (UMAP 2024). "Measured" means
measured by us on the public data set named.
"""

import dataclasses
import math

from urep_jax.simulation.ranges import Ranges, require, require_ranges


@dataclasses.dataclass(frozen=True)
class CatalogueParams:
    """What the tracks are like.

    Raises:
        ValueError: if a value is outside its range; the message names the value, the rule and the mend.
    """

    num_tracks: int = 2_500
    """Tracks, at least 2. Table 1 has 10^6; MovieLens-1M has 3,416 items."""
    num_artists: int = 600
    """Artists, at least 1. Measured on the Million Playlist Dataset: 4.1 tracks an artist, over tracks
    that occur five times or more."""
    num_genres: int = 24
    """Genres, at least 1. Measured on 28,356 Spotify songs: they are labelled with 24 subgenres."""
    latent_dim: int = 8
    """Dimensions of style and taste, at least 2. Measured: 8 principal components hold 82 % of the variance of the 12
    audio features of 28,356 Spotify songs."""
    genre_share: float = 0.17
    """Share of the variance of style that lies between genres, 0 to 1. Measured: 0.17 between subgenres, over the
    seven audio features that tell styles apart (danceability, energy, loudness, ...) of Spotify songs."""
    artist_share: float = 0.28
    """Share that lies between artists of one genre; with `genre_share` at most 1. Measured on the same: 0.45 between
    artists, of which 0.17 between subgenres."""
    artist_zipf: float = 0.75
    """Exponent of the number of tracks by artist, at least 0. Measured on the Million Playlist Dataset: 0.75."""
    popularity_zipf: float = 0.89
    """Exponent of popularity by rank, at least 0. Measured on the Million Playlist Dataset: 0.89 over the top fifth."""
    artist_fame: float = 0.12
    """Share of the variance of log popularity that lies between artists, 0 to 1. Measured on the Million Playlist
    Dataset: 0.12 over tracks that occur five times or more."""
    popularity_appeal: float = 0.42
    """Correlation of a track's appeal and its log popularity, -1 to 1. Set so that an item's log odds of being liked
    and its log number of thumbs, weighted by thumbs, correlate as measured on MovieLens-1M: 0.52."""
    track_seconds: float = 227.0
    """Mean length of a track in seconds, above 0. Measured on Spotify songs: 227 s; the log has a standard
    deviation of 0.26, as here."""

    def __post_init__(self) -> None:
        require_ranges(self, _RANGES)
        require(
            self.genre_share + self.artist_share <= 1,
            f"genre_share + artist_share is {self.genre_share + self.artist_share:g}, but shares add up to at most 1; "
            "lower one",
        )


_RANGES: Ranges = (
    ("num_tracks", 2, math.inf),
    ("num_artists", 1, math.inf),
    ("num_genres", 1, math.inf),
    ("latent_dim", 2, math.inf),
    ("genre_share", 0, 1),
    ("artist_share", 0, 1),
    ("artist_zipf", 0, math.inf),
    ("popularity_zipf", 0, math.inf),
    ("artist_fame", 0, 1),
    ("popularity_appeal", -1, 1),
    ("track_seconds", 1, 10_000),
)
