"""How much a space moves when its encoder is trained again, and what it costs to break the rule that follows (§4.4)."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float32

from experiments.user_representation import chain as chains
from experiments.user_representation.chain import Chain, train_autoencoder
from experiments.user_representation.items import scaled
from experiments.user_representation.sources import TRAIN
from experiments.user_representation.tasks import Answer, Results, Trained
from experiments.user_representation.transfer import UNIT, Pairs, classify
from experiments.watch import WatchedFit
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.data.labelled_pairs import LabelledPairs
from urep_jax.data.moments import Moments
from urep_jax.evaluation.between_spaces import aligned, kept_neighbours
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.future_listening import told_apart
from urep_jax.evaluation.movement import cosine_distance
from urep_jax.evaluation.paired import paired_difference

K = 50
"""Neighbours of a user that are looked at, as in Table 4."""


def retraining(trained: Trained) -> Answer:
    """`retraining/<kept|broken|followed>`: future listening when the autoencoder was trained again by another seed.

    | | the classifier learnt from | and is asked with |
    |---|---|---|
    | `kept` | z_u of the chain | z_u of the chain |
    | `broken` | z_u of the chain | z_u of the retrained autoencoder: what batch management refuses |
    | `followed` | z_u of the retrained autoencoder | the same: the downstream model was retrained too |

    `retraining/spaces` tells of users who test how far both vectors are from each other, as they are (`distance`) and
    after the rotation that brings them nearest, fitted to users who train (`distance_aligned`), and which share of the
    50 nearest users stay (`neighbours`).
    """
    people, settings = trained.people, trained.settings
    again = _trained_again(trained)
    asked = people.established_by_week
    x = trained.chain.features.of(asked)
    old, new = trained.chain.z(x), again.z(x)
    drawn = trained.listened(asked, settings.asked.days * SECONDS_PER_DAY, "future_listening")
    pairs = trained.pairs(drawn, asked)
    kept, broken = _of_both(trained, pairs, old, new)
    followed = _alone(trained, pairs, new)
    results: Results = {
        "retraining/kept": kept,
        "retraining/broken": broken,
        "retraining/followed": followed,
        "retraining/spaces": _spaces(trained, again),
    }
    numbers: dict[str, float] = {}
    for name, found in (("broken", broken), ("followed", followed)):
        over = paired_difference(found["auc"], kept["auc"])
        numbers |= {f"retraining/{name}/auc_over_kept": over.mean, f"retraining/{name}/auc_over_kept_ci95": over.ci95}
    return Answer(results, numbers)


def _trained_again(trained: Trained) -> Chain:
    """The chain with an autoencoder of another seed, on the same features."""
    settings = trained.settings
    seed = settings.seed + 1
    fit = dataclasses.replace(settings.training.fit, seed=seed)
    other = dataclasses.replace(settings, seed=seed, training=dataclasses.replace(settings.training, fit=fit))
    train = WatchedFit(trained.folder.path / "retraining" / "autoencoder", "retrained", chains.UNIT, trained.console)
    return train_autoencoder(trained.chain.features, other, trained.sources.log.sequence_ids, train)[0]


def _of_both(
    trained: Trained, pairs: Pairs, old: Float32[np.ndarray, "N Z"], new: Float32[np.ndarray, "N Z"]
) -> tuple[dict[str, ByUser], dict[str, ByUser]]:
    """One classifier, which learns from the old vectors, asked with the old ones and with the new ones."""
    test = pairs.test
    moved = LabelledPairs(test.user + len(old), test.item, test.label)
    both = pairs._replace(test=LabelledPairs.join([test, moved]), asked=Moments.join([pairs.asked, pairs.asked]))
    learnt = np.unique(pairs.train.user)
    odds = _classified(trained, both, scaled(np.concatenate([old, new]), learnt), "kept")
    halves = odds[: len(test)], odds[len(test) :]
    kept, broken = (dict(told_apart(half, test, pairs.asked.user)) for half in halves)
    return kept, broken


def _alone(trained: Trained, pairs: Pairs, vectors: Float32[np.ndarray, "N Z"]) -> dict[str, ByUser]:
    odds = _classified(trained, pairs, scaled(vectors, np.unique(pairs.train.user)), "followed")
    return dict(told_apart(odds, pairs.test, pairs.asked.user))


def _classified(trained: Trained, pairs: Pairs, vectors: Float32[np.ndarray, "N Z"], name: str) -> np.ndarray:
    path = trained.folder.path / "retraining" / name
    ids = trained.sources.log.sequence_ids.take(pairs.asked.user)
    train = WatchedFit(path, f"retraining, {name}", UNIT, trained.console)
    return classify(pairs, vectors, trained.items, ids, trained.settings, train).odds(pairs.test)


def _spaces(trained: Trained, again: Chain) -> dict[str, ByUser]:
    """How far both vectors of established users are apart, now."""
    people = trained.people
    asked = people.established
    x = trained.chain.features.of(asked)
    old, new = trained.chain.z(x), again.z(x)
    learns_N: Bool[np.ndarray, "N"] = people.part[asked.user] == TRAIN
    turned = aligned(old, new, learns_N)
    tests = ~learns_N
    user = asked.user[tests]
    found = {
        "distance": cosine_distance(old[tests], new[tests]),
        "distance_aligned": cosine_distance(old[tests], turned[tests]),
        "neighbours": kept_neighbours(old[tests], new[tests], K),
    }
    return {name: ByUser(user, values) for name, values in found.items()}
