"""The groups that x_u is made of, and which of them are switched off."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from urep_jax.core.types import SECONDS_PER_DAY

Kind = Literal["vector", "real", "indicator"]
"""How the columns of a group are brought to one scale: a vector as a whole, real numbers one by one, indicators not at
all."""


class Group(NamedTuple):
    """Columns that belong together.

    Attributes:
        name: such as `collaborative/7d`.
        tags: names by which it is switched off, its own parts among them.
        width: number of columns.
        kind: how it is scaled.
    """

    name: str
    tags: tuple[str, ...]
    width: int
    kind: Kind


def columns_of(groups: Sequence[Group], num_features: int) -> list[slice]:
    """Where each group's columns are.

    Args:
        groups: in the order of their columns.
        num_features: how many columns there are.

    Raises:
        ValueError: if the groups don't add up to them.
    """
    ends = list(itertools.accumulate((group.width for group in groups), initial=0))
    if ends[-1] != num_features:
        raise ValueError(f"the groups have {ends[-1]} columns, but there are {num_features}")
    return [slice(*own) for own in itertools.pairwise(ends)]


@dataclasses.dataclass(frozen=True)
class FeatureConfig:
    """Which features there are.

    Attributes:
        windows: horizons over which listening is aggregated, in days, ascending.
        onboarding_days: how long after it was answered the onboarding plays a role.
        without: tags of groups that are left out, such as `onboarding`, `modalities`, `static`, `7d` or `country`.

    Raises:
        ValueError: if a value is out of range.

    Source:
        Generalized User Representations, §3.3.2 for the horizons, §4.3 for "a few months" of onboarding.
    """

    windows: tuple[int, ...] = (7, 30, 182)
    onboarding_days: int = 90
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.windows or self.windows[0] < 1 or list(self.windows) != sorted(set(self.windows)):
            raise ValueError(f"windows is {self.windows}, but must be days from 1 on, ascending and all different")
        if self.onboarding_days < 0:
            raise ValueError(f"onboarding_days is {self.onboarding_days}, but must be at least 0")

    @property
    def longest(self) -> str | None:
        """The tag of the longest window that isn't left out; None if all are."""
        tags = [f"{days}d" for days in self.windows]
        return next((tag for tag in reversed(tags) if tag not in self.without), None)

    @property
    def reach(self) -> int:
        """Seconds before a moment in which an event plays a role. Of what was earlier only the latest event does, and
        only if none came after it: for the time that has passed since.
        """
        return max(self.windows) * SECONDS_PER_DAY


def switched_on(groups: Sequence[Group], without: Iterable[str]) -> list[bool]:
    """Which groups have none of these tags.

    Raises:
        ValueError: if no group has a tag, or none is left.
    """
    off = set(without)
    tags = sorted({tag for group in groups for tag in group.tags})
    if unknown := sorted(off.difference(tags)):
        raise ValueError(f"features.without names {', '.join(unknown)}, but must be some of {', '.join(tags)}")
    kept = [off.isdisjoint(group.tags) for group in groups]
    if not any(kept):
        raise ValueError(f"features.without is {', '.join(sorted(off))}, which leaves no feature; name fewer")
    return kept
