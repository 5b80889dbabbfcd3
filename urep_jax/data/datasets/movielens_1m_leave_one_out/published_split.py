"""Which events of the published lists train, validate and test."""

import dataclasses
import os
from typing import Literal

import numpy as np

from urep_jax.data.asked import one_target_each
from urep_jax.data.cases import Split
from urep_jax.data.datasets.movielens_1m_leave_one_out.files import read_files
from urep_jax.data.log import EventLog


@dataclasses.dataclass(frozen=True)
class PublishedSplit:
    """The published split: a user's last item tests, the one before validates, the published training lines train.

    Of the published validation users one item more than these two is held back from training, though validation and
    test know it.

    Attributes:
        path: folder of the published files.
        validate: `published`, the 512 users that the split's authors validated on, or `extended`, all whose validation
            item is known.

    Raises:
        ValueError: if `validate` is neither.
    """

    path: str | os.PathLike[str]
    validate: Literal["published", "extended"] = "published"

    def __post_init__(self) -> None:
        if self.validate not in ("published", "extended"):
            raise ValueError(f"validate is {self.validate!r}, but must be 'published' or 'extended'")

    def __call__(self, log: EventLog) -> Split:
        """Split `log`.

        Raises:
            ValueError: if the log was made from other files.
        """
        train, held = read_files(self.path)
        stop_S = log.offsets[:-1] + np.array([len(items) for items in train])
        if log.num_sequences != len(train) or np.any(stop_S > log.offsets[1:]):
            raise ValueError(f"{self.path} holds {len(train)} users that are not those of the log {log.name!r}")
        tested = np.array(sorted(held))
        asked = np.array([user for user in tested if held[user].published or self.validate == "extended"])
        return Split(
            train=np.arange(len(train), dtype=np.int32),
            start=log.offsets[:-1],
            stop=stop_S,
            validation=one_target_each(log, asked, log.offsets[asked + 1] - 2),
            test=one_target_each(log, tested, log.offsets[tested + 1] - 1),
        )
