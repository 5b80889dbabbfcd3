"""What users listen to most."""

import numpy as np
from scipy.sparse import csr_array

from experiments.user_representation.item_groups import most_played


def test_most_played_are_the_largest_and_among_equals_the_first() -> None:
    plays = csr_array(np.array([[1, 5, 5, 2], [0, 0, 0, 0], [0, 3, 0, 0]], np.float32))
    assert most_played(plays, 1).toarray().tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert most_played(plays, 3).toarray().tolist() == [[0, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
