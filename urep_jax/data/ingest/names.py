"""Ids made of names, where things have none of their own."""

from collections.abc import Sequence

from urep_jax.data.ingest.fields import name


def joined(groups: Sequence[Sequence[str]]) -> str:
    """SQL that joins, with tabs, of each group of columns the first that isn't null; null if a group is all null.

    What stands between tabs in a file holds none itself, so that two things never get one id there, however their
    names are cut: `a b, c` and `a, b c` differ.

    Example:
        >>> joined([["artist_id", "artist"], ["title"]])
        'coalesce("artist_id", "artist") || chr(9) || coalesce("title")'
    """
    return " || chr(9) || ".join(f"coalesce({', '.join(map(name, group))})" for group in groups)
