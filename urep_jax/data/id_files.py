"""Ids of the source on disk: one Arrow column."""

import os

import pyarrow as pa
import pyarrow.feather as feather


def write_ids(ids: pa.StringArray, path: str | os.PathLike[str]) -> None:
    """Write ids in their order."""
    feather.write_feather(pa.table({"id": ids}), os.fspath(path))


def read_ids(path: str | os.PathLike[str]) -> pa.StringArray:
    """Read what `write_ids` wrote."""
    return feather.read_table(os.fspath(path))["id"].combine_chunks()
