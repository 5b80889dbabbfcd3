"""Functions of one's own, named in a config by the place where they are: `my_losses.hinge`."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.scorer import Scorer

OwnMetric = Callable[[Scorer, EventLog, Cases], ByUser]
"""A metric of one's own: of a scorer bound to some cases of a log, one number for each user."""


def own_function(knob: str, place: str) -> Callable[..., Any]:
    """The function at a place such as `package.module.function`, found as an import would.

    Args:
        knob: which knob names it, for messages.
        place: where it is.

    Raises:
        ValueError: if there is no such function.
    """
    module, _, name = place.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{knob} is {place!r}, and {error}; name a function as module.function, from a module that can be imported "
            "where the command runs"
        ) from error
    if not callable(found):
        raise ValueError(f"{knob} is {place!r}, which is no function; name one")
    function: Callable[..., Any] = found
    return function


def own_metrics(places: Sequence[str], taken: Sequence[str] = ()) -> dict[str, OwnMetric]:
    """The metrics at some places, each by the name of its function.

    Args:
        places: where they are.
        taken: names that are in use.

    Raises:
        ValueError: if there is no such function, or its name is in use.
    """
    found: dict[str, OwnMetric] = {}
    for place in places:
        name = metric_name(place)
        if name in found or name in taken:
            raise ValueError(f"metrics names {place!r}, but there is a metric {name} already; rename the function")
        found[name] = own_function("metrics", place)
    return found


def metric_name(place: str) -> str:
    """What the metric at a place is called in results."""
    return place.rpartition(".")[2]


def try_metrics(metrics: Mapping[str, OwnMetric], scorer: Scorer, log: EventLog, cases: Cases) -> None:
    """Ask each metric about a scorer that is at hand, so that a mistake in it costs no training.

    Raises:
        ValueError: naming the metric that returns something else than `ByUser`.
    """
    for name, metric in metrics.items():
        found = metric(scorer, log, cases)
        if not isinstance(found, ByUser):
            raise ValueError(
                f"the metric {name} returned {type(found).__name__}, but must return a ByUser, which holds one number "
                "for each user"
            )
