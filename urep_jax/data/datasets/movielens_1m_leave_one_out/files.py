"""The published files: item numbers, one line for each user."""

import csv
import os
from pathlib import Path
from typing import NamedTuple

HOME = "https://github.com/asash/gSASRec-pytorch (datasets/ml1m)"
NAMES = ("train_input.txt", "val_input.txt", "val_output.txt", "extended_users.tsv")


class Held(NamedTuple):
    """What is held back of one user.

    Attributes:
        published: whether the user is one of the published validation users.
        known: item numbers that are known beside the training's, before the validation item.
        validation: the second-last item.
        test: the last item.
    """

    published: bool
    known: list[int]
    validation: int
    test: int


class Published(NamedTuple):
    """The files' contents.

    Attributes:
        train: item numbers that train, by user.
        held: what is held back of the users that are asked about, by user.
    """

    train: list[list[int]]
    held: dict[int, Held]


def find_files(path: str | os.PathLike[str]) -> list[Path]:
    """The files in a folder.

    Raises:
        FileNotFoundError: if one is missing; the message says where to get it.
    """
    for name in NAMES:
        if not (Path(path) / name).is_file():
            raise FileNotFoundError(f"{path} holds no {name}; see the data set's README for the files, and {HOME}")
    return [Path(path) / name for name in NAMES]


def read_files(path: str | os.PathLike[str]) -> Published:
    """Read the files.

    Raises:
        FileNotFoundError: if one is missing.
        ValueError: if they don't belong together.
    """
    train_file, input_file, output_file, users_file = find_files(path)
    train = _lines(train_file)
    inputs, outputs = _lines(input_file), _lines(output_file)
    if len(inputs) != len(outputs):
        raise ValueError(
            f"{input_file} has {len(inputs)} lines, but {output_file} {len(outputs)}; take both from one version"
        )
    # A published validation input is its user's training line and one item more.
    longer = {tuple(line[:-1]): (line[-1:], target) for line, (target,) in zip(inputs, outputs, strict=True)}
    held = {}
    with users_file.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            user, published = int(row["line"]) - 1, row["published_validation_user"] == "1"
            validation, test = int(row["val_item"]), int(row["test_item"])
            known, target = longer.get(tuple(train[user]), ([], None)) if published else ([], validation)
            if target != validation:
                raise ValueError(
                    f"{users_file} has item {validation} for the validation of line {user + 1}, but {output_file} "
                    f"{target}; take both from one version"
                )
            held[user] = Held(published, known, validation, test)
    return Published(train, held)


def _lines(path: Path) -> list[list[int]]:
    return [[int(item) for item in line.split()] for line in path.read_text().splitlines()]
