"""Finding and opening the files that people bring: Parquet, and text of any delimiter.

Text is cut into lines here and into fields by SQL. DuckDB's own CSV reader isn't used, for it can't name the line of a
row that it could read, and blank, rejected or mixed line ends throw its count off.
"""

import contextlib
import csv
import dataclasses
import gzip
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa

_BLOCK = 1 << 23
_BATCH = 1 << 15
"""Lines in one Arrow batch; DuckDB gives each thread a batch at a time."""

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = tuple(f".{kind}{packed}" for packed in ("", ".gz", ".zip") for kind in ("csv", "tsv"))


class IngestError(ValueError):
    """A source that can't be read as it is.

    Attributes:
        problem: the file, the place, the value and the rule.
        mend: what to do about it.
        lines: what shows it, line by line.
    """

    def __init__(self, problem: str, mend: str, lines: Sequence[str] = ()) -> None:
        super().__init__(problem, mend, lines)
        self.problem, self.mend, self.lines = problem, mend, lines

    def __str__(self) -> str:
        return "\n  ".join([f"{self.problem}; {self.mend}", *self.lines])


@dataclasses.dataclass(frozen=True)
class TextFormat:
    r"""How a text file is laid out: one row a line, fields between delimiters.

    Attributes:
        delimiter: what stands between fields, one character or more; a tab may be told as `\t`, a backslash and a t.
        names: the columns' names where the file has no header; None if its first line names them.
        encoding: any encoding that keeps ASCII as it is, such as utf-8 or latin-1.
        quote: what fields that hold a delimiter are wrapped in, doubled inside of itself; empty if it means nothing.

    Example:
        >>> TextFormat(delimiter="::", names=("user_id", "item_id", "rating", "timestamp"), encoding="latin-1").names[2]
        'rating'
    """

    delimiter: str = ","
    names: tuple[str, ...] | None = None
    encoding: str = "utf-8"
    quote: str = '"'

    def __post_init__(self) -> None:
        # Command lines don't pass a tab on easily.
        object.__setattr__(self, "delimiter", self.delimiter.replace("\\t", "\t"))
        if not self.delimiter or "\n" in self.delimiter:
            raise ValueError(f"delimiter is {self.delimiter!r}, but must be one or more characters of a line")
        if len(self.quote) > 1:
            raise ValueError(f"quote is {self.quote!r}, but must be one character, or empty for none")
        if self.names is not None:
            object.__setattr__(self, "names", tuple(self.names))
        try:
            kept = "a,1\n".encode(self.encoding) == b"a,1\n"
        except LookupError:
            kept = False
        if not kept:
            raise ValueError(
                f"encoding is {self.encoding!r}, but must be one that Python knows and that keeps ASCII, such as "
                "'utf-8' or 'latin-1'; convert other files first"
            )


CSV = TextFormat()
"""Commas, a header, UTF-8."""


def find_files(source: str | os.PathLike[str]) -> list[Path]:
    """The data files of a source, in the order in which their rows count.

    Args:
        source: a file; a folder, searched all the way down for Parquet and CSV files; or a pattern with `*`. What
            begins with `.` or `_` in a folder is passed over.

    Returns:
        Files sorted by path.

    Raises:
        FileNotFoundError: if there is nothing at `source`, or nothing that can be read.
    """
    source = Path(source)
    if source.is_file():
        return [source]
    if source.is_dir():
        suffixes = (*PARQUET_SUFFIXES, *TEXT_SUFFIXES)
        files = [path for path in source.rglob("*") if path.is_file() and path.name.lower().endswith(suffixes)]
        files = [path for path in files if not any(part[0] in "._" for part in path.relative_to(source).parts)]
        if not files:
            raise FileNotFoundError(
                f"{source} holds no file that ends in {', '.join(suffixes)}; if they are called otherwise, "
                "name one of them or give a pattern with *"
            )
        return sorted(files)
    if "*" in source.name:
        files = sorted(path for path in source.parent.glob(source.name) if path.is_file())
        if not files:
            raise FileNotFoundError(f"no file matches {source}; check the pattern and the folder it looks in")
        return files
    raise FileNotFoundError(f"{source} doesn't exist; give a Parquet or CSV file, or a folder of them")


def is_parquet(path: Path) -> bool:
    """Whether a file is read as Parquet; anything else is read as text."""
    return path.name.lower().endswith(PARQUET_SUFFIXES)


def text_columns(path: Path, text: TextFormat) -> tuple[str, ...]:
    """The columns of a text file, by its header or by `text.names`.

    Raises:
        IngestError: if the file is empty, or its header isn't text in the encoding.
    """
    with open_bytes(path) as file:
        first = file.readline()
    if not first.strip():
        raise IngestError(f"{path} is empty", "export it again, or leave it out")
    if text.names is not None:
        return text.names
    try:
        header = first.removeprefix(b"\xef\xbb\xbf").decode(text.encoding).strip("\r\n")
    except UnicodeDecodeError:
        raise IngestError(f"{path}, line 1: the header isn't {text.encoding}", "set text.encoding") from None
    if text.quote and len(text.delimiter) == 1:
        names = next(csv.reader([header], delimiter=text.delimiter, quotechar=text.quote))
    else:
        names = header.split(text.delimiter)
    return tuple(name.strip() for name in names)


def read_lines(path: Path, encoding: str) -> Iterator[pa.Table]:
    r"""The lines of a text file, some megabytes at a time.

    Args:
        path: a text file, packed if it ends in `.gz` or `.zip`.
        encoding: its encoding.

    Yields:
        Tables of `line` (from 1), `text` (with its line end, so that a last line without one can be told) and `intact`
        (false where the bytes aren't of the encoding; they are replaced in `text`).

    Raises:
        IngestError: if a packed file is cut short or damaged.
    """
    line = 1
    rest = b""
    with open_bytes(path) as file:
        while block := file.read(_BLOCK):
            cut = block.rfind(b"\n") + 1
            if cut == 0:
                rest += block
                if len(rest) > _BLOCK:
                    raise IngestError(f"{path}, line {line} is over {_BLOCK >> 20} MiB long", "give a text file")
                continue
            table = _lines(rest + block[:cut], line, encoding)
            rest = block[cut:]
            line += table.num_rows
            yield table
    if rest:
        yield _lines(rest, line, encoding)


@contextlib.contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked if it ends in `.gz` or `.zip`.

    Raises:
        IngestError: when reading comes upon a packed file that is cut short or damaged, or a zip file of several files.
    """
    packed = path.suffix.lower()
    try:
        with contextlib.ExitStack() as opened:
            file: IO[bytes] = opened.enter_context(path.open("rb"))
            if packed == ".gz":
                file = cast(IO[bytes], gzip.GzipFile(fileobj=file))
            elif packed == ".zip":
                archive = opened.enter_context(zipfile.ZipFile(file))
                file = opened.enter_context(archive.open(_only_member(path, archive)))
            yield file
    except EOFError as error:
        raise IngestError(f"{path} is cut short: what is packed in it has no end", "copy it again") from error
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
        kind = "zip" if packed == ".zip" else "gzip"
        raise IngestError(f"{path} is not an intact {kind} file ({error})", "copy it again") from error


def _only_member(path: Path, archive: zipfile.ZipFile) -> str:
    """The one file of an archive, less what macOS leaves in it."""
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise IngestError(
            f"{path} holds {len(names)} files, but a zip file that is read as it is must hold one",
            "unpack it, and give the file or the folder",
        )
    return names[0]


def _lines(block: bytes, first: int, encoding: str) -> pa.Table:
    if first == 1:
        block = block.removeprefix(b"\xef\xbb\xbf")
    intact = None
    try:
        # `ascii` and `utf-8` text is UTF-8 already: decoding is the check, and the bytes stay.
        decoded = block.decode(encoding)
        if not (decoded.isascii() or encoding.lower().replace("_", "-") in ("utf-8", "utf8")):
            block = decoded.encode()
    except UnicodeDecodeError:
        pieces = re.findall(rb"[^\n]*\n|[^\n]+", block)
        intact = np.array([_decodes(piece, encoding) for piece in pieces])
        block = b"".join(piece.decode(encoding, errors="replace").encode() for piece in pieces)
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + 1
    if len(ends) == 0 or ends[-1] != len(block):
        ends = np.append(ends, len(block))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    columns = {
        "line": pa.array(np.arange(first, first + len(ends))),
        "text": pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block)),
        "intact": pa.array(np.ones(len(ends), bool) if intact is None else intact),
    }
    return pa.Table.from_batches(pa.table(columns).to_batches(max_chunksize=_BATCH))


def _decodes(piece: bytes, encoding: str) -> bool:
    try:
        piece.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
