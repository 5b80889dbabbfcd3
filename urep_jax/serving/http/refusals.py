"""Refusals: one form for all, with the right status."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from urep_jax.core.spaces import SpaceMismatch
from urep_jax.lineage.errors import Busy
from urep_jax.serving.http.backend import NotReady, Refused
from urep_jax.serving.online.parts import StoreAway, StoreFull


class Error(Struct, frozen=True):
    """Why something was refused.

    Attributes:
        error: what is wrong: the value and the rule.
        mend: what helps.
    """

    error: str
    mend: str


class Refusal(Exception):
    """What is asked for isn't done.

    Attributes:
        status: of HTTP.
        told: what is told.
        headers: such as `retry-after`.
    """

    def __init__(self, status: int, error: str, mend: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, error, mend)
        self.status, self.told, self.headers = status, Error(error, mend), dict(headers or {})


MEANING = {
    400: "It can't be read.",
    401: "The token is missing, or another one.",
    404: "There is no such user, track or page.",
    405: "This page can't be asked that way.",
    408: "The body came too slowly.",
    409: "The vectors are of another space.",
    413: "The body is too large.",
    415: "The body is of another type than application/json.",
    421: "The Host header names another host.",
    422: "A field is not as it must be, or makes no sense.",
    429: "Too many requests; Retry-After tells when.",
    500: "A fault of the service.",
    503: "A store is away, workers are behind, or the service isn't ready; Retry-After tells when.",
    507: "The store is full.",
}
"""What each status tells."""

FAULT = Refusal(500, "the service has a fault; its log says where", "tell who runs it; asking again may not help")
"""An error that nobody foresaw."""


def retry(status: int, error: str, mend: str, seconds: int = 1) -> Refusal:
    """A refusal that tells when to ask again."""
    return Refusal(status, error, mend, {"retry-after": str(seconds)})


def refusal_of(error: Exception) -> Refusal | None:
    """How an error is told; None for one that nobody foresaw.

    The texts of stores' errors stay here: they may name folders and hosts of the service.
    """
    match error:
        case Refusal():
            return error
        case StoreFull():
            return Refusal(507, "the store is full; nothing of this was accepted", "make room, then send it again")
        case StoreAway():
            return retry(503, "the store is away", "send the same again; what is there already is not there twice")
        case Busy():
            return retry(503, "the lineage is held by another process", "send the same again; nothing was changed")
        case NotReady():
            return retry(503, f"not ready: {error}", "ask again", 5)
        case SpaceMismatch():
            return Refusal(409, str(error), "compare vectors of one space_id only; ask anew for those of another")
        case Refused():
            return Refusal(422, str(error), "ask for what there is; /v1/lineage tells")
    return None


def unreadable(error: Exception) -> Refusal:
    """How JSON is told that can't be read, or isn't as it must be."""
    if isinstance(error, msgspec.ValidationError):
        return Refusal(422, str(error), "mend the field that is named; /openapi.json tells what each may hold")
    text = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    if isinstance(error, UnicodeDecodeError):
        text = "it isn't UTF-8"
    return Refusal(400, f"the body can't be read as JSON: {text}", "send one JSON object, in UTF-8")
