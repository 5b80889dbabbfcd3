"""The published leave-one-out lists: by hand, and the real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from urep_jax.core.types import Feedback
from urep_jax.data.cases import Cases
from urep_jax.data.datasets.movielens_1m_leave_one_out import Movielens1mLeaveOneOutConfig, PublishedSplit
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare

FILES = {
    # The first two users are asked about; the first is a published validation user, of whom item 9 is known besides.
    "train_input.txt": "1 2 3\n3 1\n2 1 4 5\n",
    "val_input.txt": "1 2 3 9\n",
    "val_output.txt": "4\n",
    "extended_users.tsv": "line\tpublished_validation_user\tval_item\ttest_item\n1\t1\t4\t5\n2\t0\t2\t6\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def asked(log: EventLog, cases: Cases) -> list[tuple[str, list[int], int]]:
    """User, what is known of them, and what is asked, in published numbers."""
    return [
        (log.sequence_ids[s].as_py(), (1 + log.item[a:b]).tolist(), 1 + int(target))
        for s, a, b, target in zip(cases.sequence, cases.start, cases.stop, cases.item, strict=True)
    ]


def test_what_trains_and_what_is_asked(folder: Path) -> None:
    log = prepare(Movielens1mLeaveOneOutConfig(path=folder), folder / "workspace")
    split = PublishedSplit(folder)(log)
    assert (1 + log.item).tolist() == [1, 2, 3, 9, 4, 5, 3, 1, 2, 6, 2, 1, 4, 5]
    assert set(log.feedback.tolist()) == {Feedback.UP}
    trained = [(1 + log.item[a:b]).tolist() for a, b in zip(split.start, split.stop, strict=True)]
    assert (split.train.tolist(), trained) == ([0, 1, 2], [[1, 2, 3], [3, 1], [2, 1, 4, 5]])
    assert asked(log, split.validation) == [("1", [1, 2, 3, 9], 4)]
    assert asked(log, split.test) == [("1", [1, 2, 3, 9, 4], 5), ("2", [3, 1, 2], 6)]
    extended = PublishedSplit(folder, validate="extended")(log)
    assert asked(log, extended.validation) == [("1", [1, 2, 3, 9], 4), ("2", [3, 1], 2)]
    assert asked(log, extended.test) == asked(log, split.test)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_told_with_where_to_get_it(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {name}; .* https://github.com/asash/gSASRec-pytorch"):
        prepare(Movielens1mLeaveOneOutConfig(path=folder), folder / "workspace")


def test_files_that_do_not_belong_together_are_refused(folder: Path) -> None:
    (folder / "val_output.txt").write_text("7\n")
    with pytest.raises(ValueError, match=r"has item 4 for the validation of line 1, but .* 7; take both from one"):
        prepare(Movielens1mLeaveOneOutConfig(path=folder), folder / "workspace")
    (folder / "val_output.txt").write_text("7\n8\n")
    with pytest.raises(ValueError, match=r"has 1 lines, but .* 2; take both from one version"):
        prepare(Movielens1mLeaveOneOutConfig(path=folder), folder / "workspace")


def test_a_log_of_other_files_is_refused(folder: Path) -> None:
    log = prepare(Movielens1mLeaveOneOutConfig(path=folder), folder / "workspace")
    (folder / "train_input.txt").write_text("1 2 3\n3 1\n2 1 4 5 6\n")
    with pytest.raises(ValueError, match="holds 3 users that are not those of the log"):
        PublishedSplit(folder)(log)


def test_validate_is_checked() -> None:
    with pytest.raises(ValueError, match="validate is 'all', but must be 'published' or 'extended'"):
        PublishedSplit(".", validate="all")


def test_the_real_lists(tmp_path: Path, data_folder: Callable[[str], Path]) -> None:
    path = data_folder("movielens-1m") / "leave_one_out"
    log = prepare(Movielens1mLeaveOneOutConfig(path=path), tmp_path)
    assert (log.num_sequences, log.num_items) == (6040, 3416)
    split = PublishedSplit(path)(log)
    extended = PublishedSplit(path, validate="extended")(log)
    assert (len(split.validation), len(extended.validation), len(split.test)) == (512, 4550, 4550)
    assert np.isin(split.validation.sequence, extended.validation.sequence).all()
    # Nobody rates a film twice, so what is asked is never known already.
    for cases in (extended.validation, split.test):
        for start, stop, target in zip(cases.start, cases.stop, cases.item, strict=True):
            assert target not in log.item[start:stop]
    trained = (split.stop - split.start)[split.validation.sequence]
    known = split.validation.stop - split.validation.start
    assert (known == trained + 1).all(), "the published validation knows one film more than training does"
