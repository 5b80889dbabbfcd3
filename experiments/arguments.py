"""Reads a command line: which of its words are flags, and which set knobs, in whatever order they come."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hydra._internal.utils import get_args_parser


class ArgumentsError(ValueError):
    """A word of a command line is neither a flag nor an override."""


class Arguments(NamedTuple):
    """The words of a command line.

    Attributes:
        overrides: what sets knobs, such as `p_hard=0`, adds to them (`+x=1`) or takes away (`~x`).
        flags: the others, with their values.
        config_dir: the folder of configs that they add.
    """

    overrides: list[str]
    flags: list[str]
    config_dir: Path | None


def read_arguments(words: Sequence[str]) -> Arguments:
    """Tell flags from overrides.

    Hydra reads overrides in one piece only, and takes those that follow a flag for mistakes if others precede it: give
    it the overrides, and then the flags.

    Args:
        words: of the command line, without the program.

    Raises:
        ArgumentsError: naming the word, or the flag that lacks its value.

    Example:
        >>> read_arguments(["p_hard=0", "-m", "seed=0,1"])[:2]
        (['p_hard=0', 'seed=0,1'], ['-m'])
    """
    parser = get_args_parser()
    parser.exit_on_error = False
    try:
        found, others = parser.parse_known_intermixed_args(list(words))
    except argparse.ArgumentError as error:
        raise ArgumentsError(f"{error}; --hydra-help tells of the flags") from error
    for word in (*others, *found.overrides):
        if word.startswith("-"):
            raise ArgumentsError(f"there is no flag {word}; --hydra-help tells of those that there are")
        if "=" not in word and not word.startswith("~"):
            raise ArgumentsError(f"{word!r} sets no knob; write KNOB=VALUE, without blanks, or in quotes")
    flags = list(words)
    for word in found.overrides:
        flags.remove(word)
    folder = None if found.config_dir is None else Path(found.config_dir)
    if folder is not None and not folder.is_dir():
        raise ArgumentsError(f"--config-dir is {str(folder)!r}, which is no folder; name the one that has your configs")
    return Arguments(found.overrides, flags, folder)
