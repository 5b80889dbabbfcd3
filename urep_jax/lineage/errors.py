"""What a chain of models refuses."""

from urep_jax.core.spaces import SpaceMismatch


class LineageError(ValueError):
    """A chain can't do this; nothing was changed."""


class Unknown(LineageError):
    """A chain, model, batch or reader that isn't there."""


class Stale(LineageError):
    """A batch was trained on something else than its models' current batches."""


class Mixed(LineageError, SpaceMismatch):
    """Something would read two batches of one model."""


class StillServes(LineageError):
    """What would be dropped is read by a batch that is current."""


class StillRead(LineageError):
    """What would be dropped is read by somebody who isn't done."""


class Conflict(LineageError):
    """The chain isn't any more what its caller decided upon."""


class Busy(LineageError):
    """Another process holds the file for too long."""


class NotAStore(LineageError):
    """A file that holds no lineages, or holds them in a form that this version doesn't know."""
