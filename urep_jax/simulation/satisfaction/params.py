"""`SatisfactionParams`: how strong each mechanism of long-term satisfaction is; 0 switches it off.

No service has published how its listeners' satisfaction moves. The forms are those of the simulators named beside the
mechanisms; the strengths are ours, chosen before any agent was trained, so that what a service can see of the world
stays near real logs: skips, sessions' lengths, pauses.

Shape letters of this folder, beside those of `simulation.streaming.params`:

| letter | counts |
|---|---|
| `V` | items: the tracks, and after them the shows |
| `F` | numbers of an item's content |
| `K` | parts that affinity is a sum of |
| `G` | styles: genres of tracks, and after them topics of shows |
| `I` | intents |
| `N` | candidates of a step |
| `P` | pools of candidates |
| `R` | events that are observed |
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import jax

from urep_jax.simulation.ranges import Ranges, require_ranges


@dataclasses.dataclass(frozen=True)
class SatisfactionParams:
    """What moves listeners over weeks. A pytree of numbers: worlds that differ in them alone run as one program.

    Raises:
        ValueError: if a value is outside its range; the message names the value, the rule and the mend.
    """

    nourishment: float = 1.0
    """How much what is heard moves net exposure, at least 0. Mechanism `exposure_after`."""
    annoyance: float = 1.0
    """How much an item that is left early lowers net exposure, beside 1 for one that nourishes, at least 0."""
    memory: float = 0.97
    """Share of net exposure that outlasts an item's worth of listening, 0 to below 1: half of it is gone after 23
    tracks, about two sessions."""
    item_minutes: float = 3.78
    """Minutes that count as one item, above 0: the mean length of a track. Mechanism `doses`."""
    long_items: float = 0.5
    """Power of length by which a longer item counts for more, 0 to 1: at 0.5 a show of 35 minutes counts as three
    tracks, not as nine."""
    innovation: float = 0.01
    """Standard deviation of the noise of net exposure, at least 0."""
    sensitivity: float = 3.0
    """Slope of satisfaction over net exposure, at least 0. Mechanism `satisfaction_of`."""
    engagement: float = 1.0
    """Utility that full satisfaction adds beside none, at least 0: who is satisfied likes more of what is heard."""

    satiation: float = 1.5
    """Utility that a style loses when nothing else has been heard for long, at least 0. Mechanism `satiation_after`."""
    satiation_memory: float = 0.85
    """Share of a style's satiation that an item of another style leaves, 0 to below 1."""
    recovery_hours: float = 18.0
    """Hours in which satiation halves when nothing is heard, above 0. Mechanism `recovered`."""

    repeats: float = 0.5
    """Utility that a familiar item gains at best, at least 0. Mechanism `repeat_gain`."""
    best_repeats: float = 3.0
    """Times that an item has been heard when it is liked best, above 0; from twice as often on, new ones are."""
    repeat_days: float = 21.0
    """Days in which a hearing fades to a half, above 0. Mechanism `faded`."""

    context: float = 0.6
    """Length of what the intent of a session wants, beside that of taste, at least 0. Mechanism `intent_logits`."""
    mood: float = 0.4
    """Length of what else a session wants, drawn anew for each, at least 0."""

    impatience: float = 0.25
    """Share of a session's patience that one item costs that is left early, at least 0. Mechanism `patience_after`."""
    forgiveness: float = 0.4
    """How much of such a cost an item gives back that is heard to its end, at least 0."""
    session_minutes: float = 45.0
    """Minutes of listening after which a session ends by itself in the mean, above 0: 12 tracks. Mechanism `enough`."""

    return_days: float = 2.0
    """Mean days until the next session at satisfaction 0.5, above 0. Mechanism `days_away`."""
    return_slope: float = 1.0
    """How much satisfaction s shortens that time, at least 0: its mean is that times `exp(-return_slope (2 s - 1))`."""
    leave: float = 0.006
    """Chance that a listener doesn't come back after a session at satisfaction 0.5, 0 to 1. Mechanism
    `chance_to_leave`."""
    leave_slope: float = 2.5
    """How much satisfaction lowers the log odds of that: by `leave_slope (2 s - 1)`; at least 0."""

    skip: float = 0.9
    """Utility of a skip at utility 0 of the item, beside 0 for playing on. Set so that items drawn by popularity are
    skipped 0.9 times as often as they are heard: Table 1 of Mei et al. 2024. Mechanism `feedback_logits`."""
    skip_slope: float = 0.8
    """Fall of a skip's utility with that of the item, at least 0."""
    up: float = -3.0
    """Utility of an up at utility 0 of the item."""
    up_slope: float = 0.7
    """Rise of an up's utility with that of the item, at least 0."""
    down: float = -3.5
    """Utility of a down at utility 0 of the item."""
    down_slope: float = 0.7
    """Fall of a down's utility with that of the item, at least 0."""
    engaged: float = 0.0
    """How much the minutes that an item engages hang on satisfaction, 0 to 1. Mechanism `engaged_minutes`."""

    reward_minutes: float = 0.05
    """Reward of a minute of engagement. Much of it makes agents play long shows to whoever will have one."""
    reward_up: float = 0.5
    """Reward of an up; of a down, the same below nothing."""
    reward_return: float = 10.0
    """Reward of coming back, when it happens at once; halved each `reward_return_days`."""
    reward_return_days: float = 2.0
    """Days in which that reward halves, above 0."""

    weeks: float = 8.0
    """Weeks after which an episode is cut, above 0."""
    most_items: float = 1e9
    """Items after which an episode is cut, at least 1."""

    def __post_init__(self) -> None:
        # Within a program they aren't numbers.
        if all(isinstance(value, int | float) for value in vars(self).values()):
            require_ranges(self, _RANGES)
            # A whole number would be of another type there, and its world another program.
            for name, value in vars(self).items():
                object.__setattr__(self, name, float(value))

    def without_the_long_term(self) -> "SatisfactionParams":
        """The control: what pleases at once is all that satisfies, so that nothing is gained by looking ahead.

        Items still please or annoy, listeners still grow impatient, come back sooner or leave for good.
        """
        off: dict[str, Any] = dict.fromkeys(LONG_TERM, 0.0)
        return dataclasses.replace(self, **off)


LONG_TERM = ("nourishment", "satiation", "repeats")
"""What sets the best next item apart from the item that is best in the long run."""

_AT_LEAST_0 = (
    *("nourishment", "annoyance", "innovation", "sensitivity", "engagement", "satiation", "repeats", "context", "mood"),
    *("impatience", "forgiveness", "return_slope", "leave_slope", "skip_slope", "up_slope", "down_slope"),
)
_ABOVE_0 = ("recovery_hours", "best_repeats", "repeat_days", "session_minutes", "item_minutes", "return_days")
_RANGES: Ranges = (
    *((name, 0, math.inf) for name in _AT_LEAST_0),
    *((name, 1e-6, math.inf) for name in (*_ABOVE_0, "reward_return_days")),
    *((name, 0, 0.9999) for name in ("memory", "satiation_memory")),
    *((name, 0, 1) for name in ("leave", "engaged", "long_items")),
    *((name, -100, 100) for name in ("skip", "up", "down")),
    *((name, -1e6, 1e6) for name in ("reward_minutes", "reward_up", "reward_return")),
    ("weeks", 1e-3, 1_000),
    ("most_items", 1, math.inf),
)

_NAMES = tuple(field.name for field in dataclasses.fields(SatisfactionParams))


def _with_names(params: SatisfactionParams) -> tuple[list[tuple[Any, Any]], None]:
    return [(jax.tree_util.GetAttrKey(name), getattr(params, name)) for name in _NAMES], None


def _made_of(_: None, values: Iterable[Any]) -> SatisfactionParams:
    """Parameters as they go through a program: what was a number when they were made isn't checked again."""
    params = object.__new__(SatisfactionParams)
    params.__dict__.update(zip(_NAMES, values, strict=True))
    return params


jax.tree_util.register_pytree_with_keys(SatisfactionParams, _with_names, _made_of)
