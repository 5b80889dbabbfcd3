"""Receipts: how who asked for a user to be forgotten learns that it is done."""

import json
import secrets
from collections.abc import Mapping

from urep_jax.serving.online.parts import Store, Stream

_BEGIN = "forgotten/"

_KEPT = 60.0
"""Seconds after which nobody waits for a receipt any more."""


def new_receipt() -> str:
    """A name for a receipt; it tells nothing of the user."""
    return f"{_BEGIN}{secrets.token_hex(8)}"


def give(stream: Stream, store: Store, owed: Mapping[str, bool], now: float) -> bool:
    """Give receipts if no byte is left of what was removed, and remove those that nobody came for.

    A worker that ends before it could leaves its receipts ungiven. Users are forgotten all the same, and who waits asks
    again.

    Args:
        stream: from which users were removed.
        store: likewise.
        owed: of each receipt, whether anything was known of the user.
        now: seconds since 1970.

    Returns:
        Whether they were given; not while somebody reads the files on and on.
    """
    # Both, always: each is a log of its own.
    gone = [stream.scrub(), store.scrub()]
    if not all(gone):
        return False
    for name, known in owed.items():
        store.note(name, json.dumps({"known": known, "at": now}))
    for name, told in store.notes(_BEGIN).items():
        if json.loads(told)["at"] < now - _KEPT:
            store.note(name, "")
    return True


def collect(store: Store, receipt: str) -> bool | None:
    """Whether anything was known of the user, and the receipt is gone; None while it isn't given."""
    told = store.note(receipt)
    if not told:
        return None
    store.note(receipt, "")
    return bool(json.loads(told)["known"])
