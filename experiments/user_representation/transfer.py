"""Downstream classifiers: the same small model on whatever vectors users are given."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float32, Float64, Int64
from sklearn.linear_model import LogisticRegression

from experiments.user_representation.items import Items
from experiments.user_representation.settings import Settings
from experiments.watch import WatchedFit
from urep_jax.data.labelled_pairs import LabelledPairs, PairBatches
from urep_jax.data.moments import Moments
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import told_apart
from urep_jax.models import preference
from urep_jax.models.preference import PreferenceConfig
from urep_jax.training.objective import Params
from urep_jax.training.optimizers import adam
from urep_jax.training.preference import preference_objective

UNIT = "AUC"
"""By what epochs of classifiers are compared, on users who validate."""


class Pairs(NamedTuple):
    """Pairs of users and items to learn from, to choose an epoch by, and to be judged by.

    Attributes:
        train, validation, test: pairs of rows of `asked`.
        asked: who these users are, and when they are asked about.
    """

    train: LabelledPairs
    validation: LabelledPairs
    test: LabelledPairs
    asked: Moments


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """A trained classifier, and what it is asked with.

    Attributes:
        params: its parameters.
        model: its size.
        users: a vector for each row of users.
        items: what is known of each item.
        time: when each row is asked about.
    """

    params: Params
    model: PreferenceConfig
    users: Float32[np.ndarray, "N U"]
    items: Items
    time: Int64[np.ndarray, "N"]

    def odds(self, asked: LabelledPairs) -> Float64[np.ndarray, "P"]:
        """The log-odds of pairs."""
        items_PxI = self.items.asked(self.time)(asked.user, asked.item)
        odds_P = _odds(self.params, jnp.asarray(self.users[asked.user]), jnp.asarray(items_PxI), self.model)
        return np.asarray(odds_P, np.float64)


def classify(
    pairs: Pairs,
    users: Float32[np.ndarray, "N U"],
    items: Items,
    user_ids: pa.StringArray,
    settings: Settings,
    train: WatchedFit,
) -> Classifier:
    """Train the classifier on users' vectors and items'.

    Args:
        pairs: which users went for which items, and others.
        users: a vector for each row of users.
        items: what is known of each item.
        user_ids: the source's id of each row of users.
        settings: how it is trained.
        train: trains, or goes on where an earlier call stopped.
    """
    model = dataclasses.replace(settings.classifier, user_width=users.shape[1], item_width=items.width)
    training, time = settings.transfer, pairs.asked.time

    def validate(params: Params) -> tuple[float, Mapping[str, float]]:
        odds_P = Classifier(params, model, users, items, time).odds(pairs.validation)
        return told_apart(odds_P, pairs.validation, pairs.asked.user)["auc"].value, {}

    batches = PairBatches(pairs.train, users, items.asked(time), user_ids, training.batch_size, settings.seed)
    found = train(
        preference_objective(model),
        adam(training.learning_rate),
        batches,
        validate,
        training.fit,
        {"system": "user_representation", "model": dataclasses.asdict(model)},
    )
    return Classifier(found.params, model, users, items, time)


def calibrated(pairs: Pairs, score: Callable[[LabelledPairs], Float[np.ndarray, "P S"]]) -> Mapping[str, ByUser]:
    """Tell pairs apart by scores whose weights and threshold alone are learnt, from users who validate.

    What users who train are asked about may be what a score counts.
    """
    fitted = LogisticRegression().fit(score(pairs.validation), pairs.validation.label)
    return told_apart(fitted.decision_function(score(pairs.test)), pairs.test, pairs.asked.user)


@partial(jax.jit, static_argnames="model")
def _odds(params: Params, users: jax.Array, items: jax.Array, model: PreferenceConfig) -> jax.Array:
    return preference.log_odds(params, users, items, model)
