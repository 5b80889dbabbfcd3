"""Coverage, and users by what is known of them, on logs whose answers can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given

from tests.evaluation.cases import cases_of, logs
from tests.logs import Row, log_of
from urep_jax.core.types import Feedback
from urep_jax.data.splits import TimeCut
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.coverage import coverage
from urep_jax.evaluation.kinds_of_users import past_feedback, positive_shares, users_with_only

WORDS = {0: "us", 1: "ss", 2: "d", 3: "uds", 4: "pp", 5: ""}
LETTERS = {"u": "up", "d": "down", "s": "skip", "p": "play"}
PAST = [Row(user, t, t, LETTERS[letter]) for user, word in WORDS.items() for t, letter in enumerate(word)]
LATER = [Row(user, 9 + t, t, word) for user in WORDS for t, word in enumerate(("up", "down"))]
LOG = log_of([*PAST, *LATER])
SPLIT = TimeCut(cut=9)(LOG)


@pytest.mark.parametrize(
    ("inputs", "covered"),
    [
        (("up",), [0, 3]),
        (("up", "skip"), [0, 1, 3]),
        (("up", "down"), [0, 2, 3]),
        (("up", "down", "skip"), [0, 1, 2, 3]),
        ((), []),
    ],
)
def test_coverage_counts_users_with_something_to_read_before_the_cut(inputs: tuple, covered: list[int]) -> None:
    result = coverage(LOG, SPLIT, inputs)
    # User 5 has no past at all, and is nobody yet.
    assert result.user.tolist() == [0, 1, 2, 3, 4]
    assert result.user[result.values == 1].tolist() == covered
    assert result.value == len(covered) / 5


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="thumb"):
        coverage(LOG, SPLIT, ("thumb",))


def test_users_with_only_one_kind_of_feedback() -> None:
    assert users_with_only(LOG, SPLIT.test, Feedback.SKIP).tolist() == [1]
    assert users_with_only(LOG, SPLIT.test, Feedback.DOWN).tolist() == [2]
    assert users_with_only(LOG, SPLIT.test, Feedback.UP).tolist() == []


def test_positive_shares() -> None:
    users, shares = positive_shares(LOG, SPLIT.test)
    assert users.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(shares, [1 / 2, 0, 0, 1 / 3])


@given(logs)
def test_nothing_after_a_cases_input_is_counted(log) -> None:
    cases = cases_of(log)
    user, counts_Ux3 = past_feedback(log, cases)
    assert user.tolist() == sorted(set(cases.sequence.tolist()))
    for u, counts in zip(user, counts_Ux3, strict=True):
        case = cases.sequence.tolist().index(u)
        past = log.feedback[cases.start[case] : cases.stop[case]].tolist()
        assert counts.tolist() == [past.count(code) for code in (Feedback.UP, Feedback.DOWN, Feedback.SKIP)]


def test_a_result_among_some_users() -> None:
    result = ByUser(np.array([1, 4, 7]), np.array([0.1, 0.4, 0.7])).among(np.array([7, 1, 99]))
    assert result.user.tolist() == [1, 7]
    assert result.values.tolist() == [0.1, 0.7]
