"""`StreamingParams`: the knobs of the simulated streaming service, each with the real statistic that it imitates.

Every value was settled against the statistics named beside it, before any model had seen a simulated log. "Table 1" is
that of Mei, Bembom and Ehmann, "Negative Feedback for Music Personalization" (UMAP 2024), Spotify's column; "§" are of
"Generalized User Representations for Transfer Learning". "Measured" means measured by us on the public data set named.
Where no number is published or known to us, the field says so.

Shape letters of this folder, beside those of `simulation.params`:

| letter | counts |
|---|---|
| `U` | users |
| `S` | sessions of a user that are drawn, whether they fall into the window or not |
| `W` | languages, and countries: each country has a main language of its own |
| `H` | shows (podcasts) |
| `I` | items: the tracks, and after them the shows |
| `T` | dimensions of the latent space of topics |
| `P` | periods of 30 days |
| `Q` | tracks of a user's library in one period |
| `C` | blocks of events that are drawn side by side |
| `N` | events of a block |
| `K` | parts that affinity is a sum of |
| `J` | artists or tracks that are picked at once |
"""

import dataclasses
import math

from urep_jax.simulation.catalogue_params import CatalogueParams
from urep_jax.simulation.ranges import Ranges, require, require_ranges
from urep_jax.simulation.window import Window

DEVICES = ("mobile", "desktop", "speaker", "car")
PLANS = ("free", "premium")


@dataclasses.dataclass(frozen=True)
class StreamingParams(Window, CatalogueParams):
    """What a simulated streaming service is like.

    Raises:
        ValueError: if a value is outside its range; the message names the value, the rule and the mend.
    """

    num_users: int = 5_000
    """Users, at least 1. The service of §3.3.1 has 600 million; this many are simulated in well under a minute."""
    num_countries: int = 6
    """Countries, each with a language of its own, at least 2. The first one's is the world language. No number is
    published; a handful, so that each has enough users."""
    country_zipf: float = 0.8
    """Exponent of the number of users, and of artists, by country, at least 0. No number is published."""
    world_language_singers: float = 0.35
    """Share of the artists of other countries who sing in the world language, 0 to 1. No number is published."""
    world_language_speakers: float = 0.6
    """Share of the users of other countries who understand the world language, 0 to 1. No number is published."""

    num_shows: int = 160
    """Shows (podcasts), at least 1. No number is published."""
    num_topics: int = 10
    """Topics that shows gather around, at least 1. No number is published."""
    topic_dim: int = 6
    """Dimensions of the latent space of topics, at least 2. No number is published."""
    topic_share: float = 0.6
    """Share of the variance of shows that lies between topics, 0 to 1. No number is published."""
    content_dim: int = 16
    """Width of a show's content vector, at least 2. No number is published."""
    content_noise: float = 0.5
    """Standard deviation of the noise of a content vector, beside 1 for what it tells, at least 0. No number is
    published."""
    show_seconds: float = 2_100.0
    """Mean length of a show's episode in seconds, above 0. No number is published."""
    show_users: float = 0.35
    """Share of users who listen to shows at all, 0 to 1. No number is published."""
    show_sessions: float = 0.2
    """Share of their sessions that are of shows, 0 to 1. No number is published."""

    premium: float = 0.4
    """Share of users with a paid plan, 0 to 1. Ours, not measured."""
    main_device: float = 0.7
    """Share of sessions on the user's main device, 0 to 1; the others fall on any. No number is published."""
    median_age: float = 30.0
    """Median age in years, 14 to 100. Measured on MovieLens-1M, whose users tell their age group: the median lies in
    25 to 34."""
    age_spread: float = 0.6
    """Standard deviation of the log of years above 13, at least 0. Measured on MovieLens-1M: 22 % are under 25, 6 % are
    56 or older."""
    established: float = 0.6
    """Share of users who registered before the window, 0 to 1; the others register evenly within it. No number is
    published: enough of either for evaluations by days since registration (§5.1.2)."""
    years_before: float = 6.0
    """Years before the window within which the established registered, above 0. No number is published."""

    country_share: float = 0.12
    """Share of the variance of taste that lies between countries, 0 to 1. No number is published. That demographics
    help new users (§4.3) asks for some."""
    age_share: float = 0.12
    """Share that goes with age; with `country_share` at most 1. No number is published."""
    taste_drift: float = 0.45
    """Turn of a user's taste in a year, in radians, at least 0. No rate is published: 0.45 leaves a correlation of 0.9
    between tastes a year apart."""
    mood_strength: float = 0.6
    """Length of a mood beside that of taste, at least 0. Recent listening tells what longer listening does not
    (§3.3.2); no number is published."""
    mood_days: float = 5.0
    """Days that a mood lasts, above 0. No number is published; shorter than the shortest horizon of §3.3.2, a week."""
    topic_from_music: float = 0.3
    """Share of the variance of topic taste that goes with music taste, 0 to 1. No number is published."""
    topic_from_age: float = 0.15
    """Share that goes with age; with `topic_from_music` at most 1. No number is published."""

    popularity_power: float = 0.6
    """Power of popularity in the choice of tracks, at least 0. Set so that the Gini coefficient of plays over tracks is
    near that measured on MovieLens-1M, 0.60, and the Million Playlist Dataset, 0.64."""
    taste_strength: float = 1.2
    """Standard deviation over the catalogue of the taste's part of affinity, at least 0. No number is published."""
    appeal_strength: float = 0.4
    """Standard deviation over tracks of the appeal that all share, in affinity, at least 0. No number is published."""
    language_match: float = 1.0
    """Affinity that an item gains by a language that the user understands, at least 0. No number is published."""
    local_match: float = 0.6
    """Affinity that a track gains by an artist of the user's country, at least 0. No number is published."""
    topic_strength: float = 1.5
    """Standard deviation over shows of the topic's part of affinity, at least 0. No number is published."""
    response: float = 1.0
    """Share of affinity that choice and feedback listen to, 0 to 1. Real users: 1. At 0 what is played depends on
    popularity alone, and feedback on nothing: the null control."""

    repeats: float = 0.45
    """Share of plays that come from the user's own library, 0 to 1. Ours, not measured."""
    library_size: int = 40
    """Tracks that enter the library in 30 days, at least 1; a track may enter twice. No number is published."""
    library_zipf: float = 0.8
    """Exponent of plays from the library by rank, at least 0. No number is published."""
    library_fading: float = 0.55
    """How often the library of one 30 days is played beside that of the next, 0 to below 1. No number is published."""
    skip: float = 1.35
    """Utility of a skip at affinity 0, beside 0 for playing on. Table 1: 0.9 skips a play, over the service's
    sessions of all kinds; tracks that were chosen are skipped less, by how much is not published."""
    skip_aversion: float = 0.6
    """Fall of a skip's utility with affinity, at least 0. No number is published."""
    like: float = -4.6
    """Utility of a like at affinity 0; rises by half the affinity. No number is published."""
    follow: float = -5.0
    """Log odds, at affinity 0, that a play makes the user follow the artist. No number is published."""
    follow_slope: float = 0.6
    """Rise of these log odds with affinity, at least 0. No number is published."""

    median_gap_days: float = 4.5
    """Median over users of the mean pause between sessions in days, above 0.2. Longer than real users' for a world
    that is simulated in seconds."""
    activity_spread: float = 0.8
    """Standard deviation of the log of that pause over users, at least 0. Measured on MovieLens-1M: the log of users'
    numbers of events has 0.99, of which the rest comes from when they registered."""
    gap_spread: float = 1.44
    """Standard deviation of the log of pauses, at least 0. Measured on MovieTweetings within users, over pauses of half
    an hour or more: 1.45."""
    free_pauses: float = 1.5
    """How much longer pauses are on the free plan, at least 1. No number is published."""
    session_length: float = 13.0
    """Mean events in a session, at least 1; geometric, so that the median is 9. Table 1: median of 9."""
    max_session: int = 64
    """Events after which a session is cut, at least 1."""
    max_sessions: int = 384
    """Sessions after which a user's log is cut, at least 1."""
    first_minutes: float = 12.0
    """Median minutes from registration to the first session, above 0; lognormal with spread 1.5, so that 98 % come
    within the 4 hours on which new users are judged (§5.1.1). No number is published."""

    onboarding_both: float = 0.4
    """Share of new users who pick artists and languages, 0 to 1. "Only a portion of new users completes the full
    onboarding process" (§4.3); no number is published."""
    onboarding_artists: float = 0.2
    """Share who pick artists only, 0 to 1."""
    onboarding_languages: float = 0.15
    """Share who pick languages only; the three shares add up to at most 1."""
    onboard_established: bool = False
    """Whether those who registered before the window have answered as well. Onboarding is kept for "a few months"
    (§4.3): false."""
    shuffle_onboarding: bool = False
    """Whether answers are permuted between the users who gave any, so that they tell nothing: a control."""

    audio_bands: int = 40
    """Mel bands of a track's spectrogram, at least 8."""
    audio_frames: int = 48
    """Frames of a track's spectrogram, at least 8."""
    audio_noise: float = 0.5
    """Standard deviation of the noise of each cell of it, beside 1 for what the style makes of it, at least 0."""
    audio_production: float = 0.5
    """Standard deviation of how tracks of one style differ in sound all through, at least 0. No number is published."""
    shuffle_audio: bool = False
    """Whether spectrograms are permuted between tracks, so that they tell nothing: a control."""

    num_playlists: int = 3_000
    """Playlists, at least 0. Measured on the Million Playlist Dataset: we have 7,071 with ten followers or more."""
    playlist_log_length: float = 4.45
    """Mean of the log of playlists' lengths before they are cut. Measured there: the median is 87."""
    playlist_length_spread: float = 0.95
    """Standard deviation of that log, at least 0. Measured there: 0.85, once lengths are cut to 5 to 250."""
    playlist_focus: float = 1.5
    """How near the tracks of a playlist lie to its point of taste, at least 0. Set with `artist_clumping`."""
    artist_clumping: float = 1.2
    """Standard deviation of a playlist's liking of each artist, at least 0. Set so that two tracks of a playlist are by
    one artist about as often as measured there over the 2,500 most frequent tracks: 0.020, five times chance."""

    start: int = 1_672_531_200
    """First second of the window, seconds since 1970, UTC (2023-01-01)."""
    num_days: int = 240
    """Length of the window in days, 1 to 1,000. The longest horizon of §3.3.2 is six months, and what follows it is
    asked for."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, _RANGES)
        for names in (
            ("country_share", "age_share"),
            ("topic_from_music", "topic_from_age"),
            ("onboarding_both", "onboarding_artists", "onboarding_languages"),
        ):
            total = sum(getattr(self, name) for name in names)
            require(
                total <= 1 + 1e-9,
                f"{' + '.join(names)} is {total:g}, but shares add up to at most 1; lower one",
            )
        require(
            self.num_artists >= MOST_PICKED,
            f"num_artists is {self.num_artists}, but a new user picks up to {MOST_PICKED}; raise it",
        )

    @property
    def num_items(self) -> int:
        """Tracks and shows: item `i` is track `i`, or show `i - num_tracks`."""
        return self.num_tracks + self.num_shows


MOST_PICKED = 5
"""Most artists that a new user picks; the fewest are 3."""

PLAYLIST_LENGTHS = (5, 250)
"""Shortest and longest playlist of the Million Playlist Dataset."""

_SHARES = (
    *("world_language_singers", "world_language_speakers", "topic_share", "show_users", "show_sessions", "premium"),
    *("main_device", "established", "country_share", "age_share", "topic_from_music", "topic_from_age", "response"),
    *("repeats", "onboarding_both", "onboarding_artists", "onboarding_languages"),
)
_COUNTS = ("num_users", "num_shows", "num_topics", "library_size", "max_session", "max_sessions", "session_length")
_AT_LEAST_0 = (
    *("country_zipf", "content_noise", "age_spread", "taste_drift", "mood_strength", "popularity_power"),
    *("taste_strength", "appeal_strength", "language_match", "local_match", "topic_strength", "library_zipf"),
    *("skip_aversion", "follow_slope", "activity_spread", "gap_spread", "audio_noise", "audio_production"),
    *("num_playlists", "playlist_length_spread", "playlist_focus", "artist_clumping", "start"),
)
_RANGES: Ranges = (
    *((name, 0, 1) for name in _SHARES),
    *((name, 1, math.inf) for name in _COUNTS),
    *((name, 0, math.inf) for name in _AT_LEAST_0),
    ("num_countries", 2, 100),
    ("topic_dim", 2, math.inf),
    ("content_dim", 2, math.inf),
    ("show_seconds", 1, 100_000),
    ("median_age", 14, 100),
    ("years_before", 0.01, 50),
    ("mood_days", 0.1, 1_000),
    ("library_fading", 0, 0.99),
    ("skip", -100, 100),
    ("like", -100, 100),
    ("follow", -100, 100),
    ("median_gap_days", 0.2, 1_000),
    ("free_pauses", 1, 100),
    ("first_minutes", 0.1, 100_000),
    ("audio_bands", 8, 1_000),
    ("audio_frames", 8, 10_000),
    ("playlist_log_length", 0, 10),
    ("num_days", 1, 1_000),
)
