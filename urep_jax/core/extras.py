"""Packages that an extra brings, imported when they are first needed: they take time, and few need them."""

import importlib
from types import ModuleType


class ExtraMissing(ImportError):
    """A package that an extra brings isn't there."""


def from_extra(name: str, doing: str, extra: str) -> ModuleType:
    """Import a package.

    Args:
        name: of the package.
        doing: what is done with it, such as `audio files are read`.
        extra: that brings it.

    Raises:
        ExtraMissing: if it can't be imported.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExtraMissing(
            f"{doing} with {name}, which can't be imported ({error}); pip install -e '.[{extra}]'"
        ) from error
