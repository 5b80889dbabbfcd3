"""How types and shapes are checked at run time, in tests."""

import dataclasses
import typing
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_CONF = BeartypeConf(is_pep484_tower=True)  # An int is a float, as everywhere in Python's typing.


def typecheck(checked: Callable[..., Any]) -> Callable[..., Any]:
    """Check a function's annotations, less `Self`, which beartype wants a class for, and `Literal`.

    The library refuses a wrong word in words of its own, which tests want to see.
    """
    if not isinstance(checked, type) and not dataclasses.is_dataclass(checked):
        for name, hint in list(getattr(checked, "__annotations__", {}).items()):
            if hint is typing.Self or typing.get_origin(hint) is typing.Literal:
                checked.__annotations__[name] = object
    return beartype(conf=_CONF)(checked)
