"""The forms in which a user's id can stand among what is kept."""

import json
from hashlib import blake2b


def name_of(user_id: str) -> bytes:
    """An id as the files have it: between zeros, so that a search for `ann` doesn't find `annabel`."""
    return b"\0" + user_id.encode() + b"\0"


def id_of(name: bytes) -> str:
    """The id that `name_of` wrote."""
    return name[1:-1].decode()


def mark_of(user_id: str, secret: bytes) -> bytes:
    """What is left of a user who was forgotten: who doesn't have the store's secret can't tell whom it is of."""
    return blake2b(user_id.encode(), key=secret, digest_size=16).digest()


def in_texts(user_id: str) -> tuple[bytes, ...]:
    r"""An id as it stands in JSON.

    Example:
        >>> in_texts("zoë")
        (b'"zo\\u00eb"', b'"zo\xc3\xab"')
    """
    return json.dumps(user_id).encode(), json.dumps(user_id, ensure_ascii=False).encode()
