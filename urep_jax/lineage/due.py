"""Which models of a chain have to be trained, and why."""

import dataclasses
from collections.abc import Mapping

from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.slots import Slots

DAYS = 90.0
"""After how many days a model is due again, unless its chain says otherwise."""


@dataclasses.dataclass(frozen=True)
class Due:
    """A model that has to be trained.

    Attributes:
        model: its name.
        reasons: in words.
        waiting: ids of trainings of it on all that is current, which are newer than what serves; rotating one in may
            be all that it takes.
    """

    model: str
    reasons: tuple[str, ...]
    waiting: tuple[str, ...]


def due(graph: ModelGraph, cadence: Mapping[str, float], slots: Slots, now: float) -> tuple[Due, ...]:
    """Models to be trained, parents first.

    A model is due if it was never trained, is older than its cadence, was trained on another batch than is current, or
    reads one that is due itself. Source: Generalized User Representations for Transfer Learning, §4.4 ("upstream
    retrains").

    Args:
        graph: the models.
        cadence: by model, days after which it is due; `DAYS` for others.
        slots: the batches.
        now: seconds since 1970; a clock that was set back makes nothing older.
    """
    found: dict[str, Due] = {}
    for model in graph.order:
        serves = slots.current.get(model)
        reasons = [] if serves else ["no batch is current" if _waiting(slots, model) else "never trained"]
        if serves:
            days, most = max(0.0, now - serves.trained_at) / 86_400, cadence.get(model, DAYS)
            if days > most:
                reasons.append(f"{days:.1f} days old, of {most:g}")
            for parent, read in serves.parents.items():
                if (current := slots.current[parent].space_id) != read:
                    reasons.append(f"reads {read}, and {current} is current")
        reasons.extend(f"after {parent}" for parent in graph.parents[model] if parent in found)
        if reasons:
            found[model] = Due(model, tuple(reasons), _waiting(slots, model))
    return tuple(found.values())


def _waiting(slots: Slots, model: str) -> tuple[str, ...]:
    now = {parent: batch.space_id for parent, batch in slots.current.items()}
    since = slots.current[model].trained_at if model in slots.current else float("-inf")
    return tuple(
        batch.space_id
        for batch in slots.trained.values()
        if batch.model == model
        and batch.trained_at >= since
        and all(now.get(parent) == read for parent, read in batch.parents.items())
    )
