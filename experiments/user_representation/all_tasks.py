"""The tasks on top of representations by the names that `evaluation.tasks` gives them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from omegaconf import DictConfig

from experiments.user_representation import sections
from experiments.user_representation.ab_test import ab_test
from experiments.user_representation.artist_preference import artist_preference
from experiments.user_representation.candidates import candidates
from experiments.user_representation.clusters import clusters
from experiments.user_representation.cold_start import cold_start
from experiments.user_representation.cost import cost
from experiments.user_representation.freshness import freshness
from experiments.user_representation.future import future_listening
from experiments.user_representation.movement import movement
from experiments.user_representation.ranker import ranker
from experiments.user_representation.retraining import retraining
from experiments.user_representation.sections import Told
from experiments.user_representation.since_registration import since_registration
from experiments.user_representation.tasks import Answer, Trained
from experiments.user_representation.user_map import user_map


class Task(NamedTuple):
    """A task.

    Attributes:
        run: does it.
        section: tells of it in the report.
        weeks: that it needs at least.
        after: tasks of which it needs one at least: it tells of what they have done.
    """

    run: Callable[[Trained], Answer]
    section: Callable[[Told], str]
    weeks: int = 1
    after: tuple[str, ...] = ()


ALL: Mapping[str, Task] = {
    "future_listening": Task(future_listening, sections.future_listening),
    "cold_start": Task(cold_start, sections.cold_start),
    "since_registration": Task(since_registration, sections.since_registration),
    "movement": Task(movement, sections.movement),
    "freshness": Task(freshness, sections.freshness),
    "retraining": Task(retraining, sections.retraining),
    "artist_preference": Task(artist_preference, sections.artist_preference),
    "ab_test": Task(ab_test, sections.ab_test),
    "clusters": Task(clusters, sections.clusters),
    "map": Task(user_map, sections.user_map),
    "candidates": Task(candidates, sections.candidates, weeks=2),
    "ranker": Task(ranker, sections.ranker, weeks=2),
    "cost": Task(cost, sections.cost, after=("artist_preference", "candidates", "ranker")),
}
"""In the order in which they are done and told."""


def chosen(evaluation: DictConfig) -> dict[str, Task]:
    """The tasks that `evaluation.tasks` names, in the order of `ALL`.

    Raises:
        ValueError: if a name is none of a task, or a task lacks the weeks that it learns from, or tasks to tell of.
    """
    for name in evaluation.tasks:
        if name not in ALL:
            raise ValueError(f"evaluation.tasks names {name!r}, but must be some of {', '.join(ALL)}")
        if evaluation.weeks < (least := ALL[name].weeks):
            raise ValueError(
                f"evaluation.weeks is {evaluation.weeks}, but must be at least {least} for {name}, which is learnt "
                "from the weeks before the one that is asked about"
            )
        if (after := ALL[name].after) and not set(after).intersection(evaluation.tasks):
            raise ValueError(
                f"evaluation.tasks names {name}, but none of {', '.join(after)}, whose trainings it tells of; name one "
                "of them too"
            )
    return {name: task for name, task in ALL.items() if name in evaluation.tasks}
