"""The vocabulary that all rooms share, and the glossary of shape letters.

Shape letters, used in names inside bodies (`scores_BxV`) and in public annotations:

| letter | counts |
|---|---|
| `B` | rows of a batch: one user's (or session's) sequence each |
| `L` | positions in a sequence |
| `T` | task positions of a row: those whose song the model must name |
| `K` | random negatives |
| `D` | width of the model |
| `V` | items of the catalogue |
| `R` | rows of a table |
| `U` | rows of a table that a step reads |
| `M` | places of a block: tracks of a playlist that are read together |
| `S` | sequences (users or sessions) of a log |
| `E` | events of a log, flat |
| `C` | cases: questions put to a model in an evaluation |
| `N` | users at moments, or whatever else is asked about at once |
| `F` | features of a user, x_u |
| `Z` | width of a user's representation, z_u |
| `P` | pairs of a user and an item |
| `A` | artists |
"""

import enum


class Feedback(enum.IntEnum):
    """What a listener did with a track; the code in every event column.

    Example:
        >>> Feedback.from_word("up")
        <Feedback.UP: 1>
    """

    NONE = 0
    """No event here: padding."""
    UP = 1
    """Explicit positive feedback, a thumb up."""
    DOWN = 2
    """Explicit negative feedback, a thumb down."""
    SKIP = 3
    """Implicit negative feedback, a track left before its end."""
    PLAY = 4
    """Heard to its end with no feedback given."""

    @property
    def word(self) -> str:
        """The word that stands for this feedback in logs: `up`, `down`, `skip` or `play`."""
        return self.name.lower()

    @classmethod
    def from_word(cls, word: str) -> "Feedback":
        """The feedback that a log's word stands for.

        Raises:
            ValueError: if the word is not one of `FEEDBACK_WORDS`.
        """
        if word not in FEEDBACK_WORDS:
            raise ValueError(f"feedback is {word!r}, but must be one of {', '.join(FEEDBACK_WORDS)}")
        return cls[word.upper()]


FEEDBACK_WORDS = tuple(f.name.lower() for f in Feedback if f is not Feedback.NONE)
"""The words that a log may hold in its `feedback` column."""

RESPONSES = (Feedback.PLAY, Feedback.UP, Feedback.SKIP, Feedback.DOWN)
"""What a listener can do with a track, in the order of the logits and shares that are of them."""

LISTENED = (Feedback.PLAY, Feedback.UP)
"""What says that a track was listened to: skips and downs don't."""

SECONDS_PER_DAY = 86_400
