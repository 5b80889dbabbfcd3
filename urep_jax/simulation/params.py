"""`RadioParams`: the knobs of the simulated radio, each with the real statistic that it imitates.

Every value was settled against the statistics named beside it, before any model had seen a simulated log. "Table 1",
"§" and "Fig." are those of Mei, Bembom and Ehmann, "Negative Feedback for Music Personalization" (UMAP 2024), Pandora's
column unless another is named. "Measured" means measured by us on the public data set named. Where no statistic
is known, the field says so.

Shape letters of this folder, beside those of `core.types`:

| letter | counts |
|---|---|
| `U` | listeners |
| `V` | tracks |
| `A` | artists |
| `G` | genres |
| `R` | stations |
| `M` | tracks that one station plays |
| `H` | stations that one listener keeps |
| `D` | dimensions of the latent space of style and taste |
| `N` | events of one listener that are simulated in one call |
"""

import dataclasses
import math
from typing import NamedTuple

from urep_jax.simulation.catalogue_params import CatalogueParams
from urep_jax.simulation.ranges import Ranges, require, require_ranges
from urep_jax.simulation.window import Window


class Habit(NamedTuple):
    """How a kind of listener uses the buttons: utilities at affinity 0, beside 0 for letting the track play on.

    Attributes:
        name: what the paper calls such listeners.
        share: share of listeners of this kind, 0 to 1.
        up: utility of a thumb up; `-inf` where this kind never gives one.
        skip: utility of a skip.
        down: utility of a thumb down; `-inf` where this kind never gives one.
    """

    name: str
    share: float
    up: float
    skip: float
    down: float


NEVER = -math.inf

HABITS = (
    Habit("mostly skip", 0.36, up=-3.5, skip=1.0, down=-2.05),
    Habit("balanced", 0.22, up=-1.85, skip=0.6, down=-1.35),
    Habit("mostly up", 0.11, up=-0.8, skip=-0.9, down=-1.55),
    Habit("no up at all", 0.31, up=NEVER, skip=0.7, down=NEVER),
)


@dataclasses.dataclass(frozen=True)
class RadioParams(Window, CatalogueParams):
    """What a simulated radio is like.

    Raises:
        ValueError: if a value is outside its range; the message names the value, the rule and the mend.
    """

    num_listeners: int = 4_000
    """Listeners, at least 1. Table 1 has 10^7; this many are simulated in seconds."""
    num_stations: int = 80
    """Stations, at least `stations_per_listener`: one for each genre, the others seeded by artists."""
    station_size: int = 150
    """Tracks that a station plays, at least 2. No number is published; small enough that songs of a station are
    "generally similar" (§4), large enough that a listener's thumbs do not use it up."""
    stations_per_listener: int = 5
    """Stations that a listener keeps, at least 1. No number is published."""

    station_popularity: float = 0.2
    """How a station weighs nearness to its seed against popularity when it picks its tracks, at least 0. "Generally
    similarly popular songs" (§5.2.3)."""
    rotation_popularity: float = 0.6
    """Power of popularity with which a station plays its tracks more or less often, at least 0. Set so that the Gini
    coefficient of plays over tracks is near that measured on MovieLens-1M, 0.60, and the Million Playlist Dataset,
    0.64."""

    appeal_strength: float = 1.1
    """Standard deviation over tracks of the appeal that all listeners share, in log odds of up against down, at least
    0. Set so that items' share of ups spreads about as measured on MovieLens-1M: a standard deviation of 0.215 once
    binomial noise is taken away, 0.86 in log odds. Differences between listeners hide some of what is put in here."""
    taste_strength: float = 1.5
    """Standard deviation of the personal part of affinity over the catalogue, in log odds, at least 0. Set so that
    true affinity ranks up against down on one station with an AUC of 0.80 to 0.88: below what listeners' own
    consistency allows (ratings given twice differ by 0.56 to 0.82 stars, Amatriain et al. 2009, which on
    MovieLens-100K allows 0.95 to 0.90 over the whole catalogue, and less among alike songs), above the 0.75 or so
    that models reach."""
    fit_strength: float = 0.3
    """Standard deviation over the catalogue of how well a track suits a station, in log odds, at least 0. Songs may
    be up on one station and down on another (§1); no rate is published."""
    overplay: float = 0.25
    """Log odds that a track loses, for each unit of ln(1 + times heard on the station), at least 0. "Users may
    thumb up a song, then skip it if it is replayed too much" (§5.3); no rate is published."""
    skip_aversion: float = 0.35
    """Fall of a skip's utility with affinity, 0 to 0.5; a down's is 0.5. Skips are a weaker kind of down: their
    embeddings have a cosine of 0.82 with downs and 0.16 with ups (§5.3)."""
    response: float = 1.0
    """Share of affinity that feedback listens to, 0 to 1. Real listeners: 1. At 0 feedback is independent of taste,
    appeal, popularity and everything else: the null control."""
    random_downs: bool = False
    """Whether the tracks of downs and skips are replaced in the log by uniform draws from the catalogue, so that
    they tell nothing about the listener: a control. Real logs: false."""

    taste_drift: float = 0.45
    """Turn of a listener's taste in a year, in radians, at least 0. Tastes change (§1); no rate is published: 0.45
    leaves a correlation of 0.9 between tastes a year apart."""
    mood_strength: float = 0.35
    """Length of a session's mood beside that of taste, at least 0. No number is published."""
    habits: tuple[Habit, ...] = HABITS
    """Kinds of listeners. 32 % give skips but no up at all (§2); among the others up : skip : down is 4 : 13 : 1
    (Table 1) and the share of ups is spread out with a crowd near none (Fig. 4)."""
    habit_spread: float = 0.5
    """Standard deviation of each utility within one habit, at least 0. Measured on MovieLens-1M: users' log odds of
    up against down differ by 0.76 once binomial noise is taken away, which is about the difference of two such
    utilities."""
    station_choice: float = 1.2
    """How strongly listeners keep stations near their taste, at least 0. "A user may like both jazz and rock" (§1);
    no number is published."""

    median_events: float = 440.0
    """Median over listeners of the number of events that a full year leads one to expect, plays included, at least 1.
    Table 1: median of 289 feedback events, cropped at 400; kept somewhat below for a world that is simulated in
    seconds."""
    activity_spread: float = 0.99
    """Standard deviation of the log of that number, at least 0. Measured on MovieLens-1M: 0.99. Sequences skew short
    (§2)."""
    max_events: int = 1_536
    """Events after which a listener's log is cut, at least 1."""
    session_length: float = 13.0
    """Mean events in a session, at least 1; geometric, so that the median is 9. Table 1, Spotify: median of 9 in a
    session."""
    gap_spread: float = 1.4
    """Standard deviation of the log of the pauses between sessions, at least 0. Measured on MovieTweetings: 1.44
    within users."""
    established: float = 0.88
    """Share of listeners who were there before the window began, 0 to 1; the others arrive evenly within it.
    Table 1: median lookback of 9 months."""
    repeat_gap: float = 30.0
    """Plays of a station that pass, on average, before it may repeat a track, at least 0. No number is published."""
    start: int = 1_672_531_200
    """First second of the year, seconds since 1970, UTC (2023-01-01)."""
    num_days: int = 365
    """Length of the window in days, 1 to 10,000. Table 1: maximal lookback of 1 year."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ranges(self, _RANGES)
        require(
            self.station_size <= self.num_tracks,
            f"station_size is {self.station_size} with {self.num_tracks} tracks, but a station plays different tracks; "
            "lower it or raise num_tracks",
        )
        require(
            self.stations_per_listener <= self.num_stations,
            f"stations_per_listener is {self.stations_per_listener} with {self.num_stations} stations, but a listener "
            "keeps different stations; lower it or raise num_stations",
        )
        require(
            self.num_genres <= self.num_stations <= self.num_genres + self.num_artists,
            f"num_stations is {self.num_stations} with {self.num_genres} genres and {self.num_artists} artists, but "
            "there is one station for each genre and at most one for each artist; change it to fit",
        )
        total = sum(habit.share for habit in self.habits)
        require(
            math.isclose(total, 1, abs_tol=1e-6) and all(habit.share >= 0 for habit in self.habits),
            f"the shares of habits add up to {total:g}, but must be at least 0 each and 1 together; mend the shares",
        )


_INF = math.inf

_RANGES: Ranges = (
    ("num_listeners", 1, _INF),
    ("num_stations", 1, _INF),
    ("station_size", 2, _INF),
    ("stations_per_listener", 1, _INF),
    ("station_popularity", 0, _INF),
    ("rotation_popularity", 0, _INF),
    ("appeal_strength", 0, _INF),
    ("taste_strength", 0, _INF),
    ("fit_strength", 0, _INF),
    ("overplay", 0, _INF),
    ("skip_aversion", 0, 0.5),
    ("response", 0, 1),
    ("taste_drift", 0, _INF),
    ("mood_strength", 0, _INF),
    ("habit_spread", 0, _INF),
    ("station_choice", 0, _INF),
    ("median_events", 1, _INF),
    ("activity_spread", 0, _INF),
    ("max_events", 1, _INF),
    ("session_length", 1, _INF),
    ("gap_spread", 0, _INF),
    ("established", 0, 1),
    ("repeat_gap", 0, _INF),
    ("num_days", 1, 10_000),
)
