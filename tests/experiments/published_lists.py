"""Published lists in their layout, small."""

from pathlib import Path

import numpy as np

USERS, PUBLISHED = 24, 6


def write_published_lists(folder: Path) -> None:
    """Published lists of users who go on from item to item; all of them are asked about."""
    rng = np.random.default_rng(0)
    items = [[int(i) for i in 1 + (rng.integers(20) + np.arange(10)) % 20] for _ in range(USERS)]
    # Of the published validation users, the last three items are held back from training.
    train = [own[: 10 - (3 if user < PUBLISHED else 2)] for user, own in enumerate(items)]
    folder.mkdir()
    tables = {
        "train_input.txt": [" ".join(map(str, own)) for own in train],
        "val_input.txt": [" ".join(map(str, own[:8])) for own in items[:PUBLISHED]],
        "val_output.txt": [str(own[8]) for own in items[:PUBLISHED]],
        "extended_users.tsv": [
            "line\tpublished_validation_user\tval_item\ttest_item",
            *(f"{1 + user}\t{int(user < PUBLISHED)}\t{own[8]}\t{own[9]}" for user, own in enumerate(items)),
        ],
    }
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
