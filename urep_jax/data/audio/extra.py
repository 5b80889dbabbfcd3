"""The packages of the extra `audio`."""

from types import ModuleType

from urep_jax.core.extras import from_extra


def librosa() -> ModuleType:
    """`librosa`, for resampling and spectrograms.

    Raises:
        ExtraMissing: if it isn't there.
    """
    return _audio("librosa")


def soundfile() -> ModuleType:
    """`soundfile`, libsndfile, which decodes.

    Raises:
        ExtraMissing: if it isn't there.
    """
    return _audio("soundfile")


def _audio(name: str) -> ModuleType:
    return from_extra(name, "audio files are read", "audio")
