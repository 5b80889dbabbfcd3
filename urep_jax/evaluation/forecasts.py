"""How well scores tell what is wanted later from what isn't, of what was offered then."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from urep_jax.data.forecast_questions import ForecastQuestions, Questions, is_wanted
from urep_jax.evaluation.by_user import ByUser
from urep_jax.metrics.auc import pair_auc


def forecast_auc(scores: Float[np.ndarray, "N M"], questions: ForecastQuestions) -> ByUser:
    """The share of pairs of a wanted and an unwanted item of one question that scores order rightly, of each listener.

    A listener's questions are pooled pair by pair; ties count half. Who was never offered both at once has no value.

    Args:
        scores: of each question's items.
        questions: which they are.
    """
    row_N, is_there_NxM = questions.places.row, questions.is_there_NxM
    wanted_NxM = is_wanted(questions.log.feedback[row_N[:, None], questions.event_NxM])
    question_NxM = np.broadcast_to(np.arange(len(row_N))[:, None], is_there_NxM.shape)
    by_question = pair_auc(scores[is_there_NxM], wanted_NxM[is_there_NxM], question_NxM[is_there_NxM], len(row_N))
    return ByUser.from_cases(by_question, row_N)


def scored(
    say: Callable[[Questions], Float[np.ndarray, "B M"]], questions: ForecastQuestions
) -> Float[np.ndarray, "N M"]:
    """The scores of all questions, in their order.

    Args:
        say: scores of a batch.
        questions: the questions.
    """
    scores_NxM = np.zeros(questions.event_NxM.shape)
    for step in range(questions.steps_per_epoch):
        members = questions.epochs.members(step)
        scores_NxM[members] = say(questions[step])[: len(members)]
    return scores_NxM


def as_strangers(batch: Questions) -> Questions:
    """The same questions asked of somebody else's history: a control, by which a forecast of taste falls to popularity.

    Everybody's is given to the next of the batch. When it ended stays, and nothing counts as heard before.
    """

    def next_one(x: np.ndarray) -> np.ndarray:
        return np.roll(x, 1, axis=0)

    history = type(batch.history)(*map(next_one, batch.history))._replace(ended=batch.history.ended)
    return batch._replace(
        history=history,
        vector=next_one(batch.vector),
        asked=batch.asked._replace(heard=np.zeros_like(batch.asked.heard)),
    )
