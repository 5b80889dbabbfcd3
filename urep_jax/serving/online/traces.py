"""The forms in which a user's id can stand among what is kept."""

import json


def name_of(user_id: str) -> bytes:
    """An id as the files have it: between zeros, so that a search for `ann` doesn't find `annabel`."""
    return b"\0" + user_id.encode() + b"\0"


def id_of(name: bytes) -> str:
    """The id that `name_of` wrote."""
    return name[1:-1].decode()


def in_texts(user_id: str) -> tuple[bytes, ...]:
    r"""An id as it stands in JSON.

    Example:
        >>> in_texts("zoë")
        (b'"zo\\u00eb"', b'"zo\xc3\xab"')
    """
    return json.dumps(user_id).encode(), json.dumps(user_id, ensure_ascii=False).encode()
