"""How parameters are checked: each message names the value, the rule and the mend."""

from typing import Any

Ranges = tuple[tuple[str, float, float], ...]
"""Names of fields, each with its least and its greatest value."""


def require(holds: bool, message: str) -> None:
    """Raise what `message` says unless the rule holds.

    Raises:
        ValueError: if it doesn't.
    """
    if not holds:
        raise ValueError(message)


def require_ranges(params: Any, ranges: Ranges) -> None:
    """Look at each of these fields of `params`.

    Raises:
        ValueError: if one is outside its range, or is not a number.
    """
    for name, low, high in ranges:
        value = getattr(params, name)
        require(low <= value <= high, f"{name} is {value}, but must lie between {low:g} and {high:g}; set it within")
