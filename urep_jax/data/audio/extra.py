"""The packages of the extra `audio`, imported when a file is first read: they take seconds, and few need them."""

import importlib
from types import ModuleType


class ExtraMissing(ImportError):
    """A package that an extra brings isn't there."""


def librosa() -> ModuleType:
    """`librosa`, for resampling and spectrograms.

    Raises:
        ExtraMissing: if it isn't there.
    """
    return _extra("librosa")


def soundfile() -> ModuleType:
    """`soundfile`, libsndfile, which decodes.

    Raises:
        ExtraMissing: if it isn't there.
    """
    return _extra("soundfile")


def _extra(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ExtraMissing(
            f"audio files are read with {name}, which can't be imported ({error}); pip install -e '.[audio]'"
        ) from error
