"""Functions of one's own, named in a config by the place where they are: `my_losses.hinge`."""

import importlib
from collections.abc import Callable
from typing import Any


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
