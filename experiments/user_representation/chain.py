"""The representation learning itself: features of users at moments, and the autoencoder that compresses them."""

import dataclasses
import functools
from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
from jaxtyping import Float, Float32

from experiments.user_representation.components import Components
from experiments.user_representation.settings import Settings
from experiments.user_representation.sources import TRAIN, VALIDATION, People, Sources
from experiments.watch import WatchedFit
from urep_jax.data.moments import Moments
from urep_jax.data.user_features.batches import UserBatches
from urep_jax.data.user_features.groups import FeatureConfig, Group, columns_of
from urep_jax.data.user_features.inputs import Inputs
from urep_jax.data.user_features.modality import Modality
from urep_jax.data.user_features.space import FeatureSpace, fit_space
from urep_jax.evaluation.reconstruction_by_group import unexplained
from urep_jax.models import autoencoder
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.serving.restore import stored_encoder_config
from urep_jax.serving.user_encoder import UserEncoder
from urep_jax.training.autoencoder import autoencoder_objective
from urep_jax.training.fit import Fit
from urep_jax.training.objective import Params
from urep_jax.training.optimizers import adam, learning_rates

UNIT = "likeness"
"""By what epochs of the autoencoder are compared: Eq. 2 on users who validate, with a minus: more is better."""


LONGEST = "longest"
"""What stands for the longest window where groups are given weights."""


@dataclasses.dataclass(frozen=True, eq=False)
class Features:
    """What the autoencoder learns from.

    Attributes:
        space: makes x_u.
        inputs: the log and its tables, as the space reads them.
        train: standardised x_u of users who train, at all their moments.
        moments: whose they are.
        validation: of users who validate.
    """

    space: FeatureSpace
    inputs: Inputs
    train: Float32[np.ndarray, "N F"]
    moments: Moments
    validation: Float32[np.ndarray, "M F"]

    def of(self, moments: Moments) -> Float32[np.ndarray, "Q F"]:
        """Standardised x_u of any users at any moments."""
        return self.space(self.inputs, moments.user, moments.time)


def make_features(sources: Sources, people: People, modalities: tuple[Modality, ...], settings: Settings) -> Features:
    """Features fitted to users who train: established ones now and earlier, and new ones."""
    log, tables, _ = sources
    moments = _learnt_from(people)
    space = fit_space(log, tables, modalities, moments.user, moments.time, settings.features, settings.categories)
    return _features(space, sources, people)


def _learnt_from(people: People) -> Moments:
    return people.of(Moments.join([people.weekly, people.new]), TRAIN)


def _features(space: FeatureSpace, sources: Sources, people: People) -> Features:
    inputs, moments = space.read(sources.log, sources.tables), _learnt_from(people)
    held = people.of(Moments.join([people.established, people.new]), VALIDATION)
    return Features(
        space,
        inputs,
        space(inputs, moments.user, moments.time),
        moments,
        space(inputs, held.user, held.time),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Chain:
    """A trained chain.

    Attributes:
        features: what x_u are.
        weights: of features in the loss.
        model: size of the autoencoder.
        params: of it.
    """

    features: Features
    weights: Float[np.ndarray, "F"]
    model: AutoencoderConfig
    params: Params

    @functools.cached_property
    def encoder(self) -> UserEncoder:
        """The chain, ready to be used on its own."""
        return UserEncoder(self.features.space, self.params, self.model)

    def z(self, x: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N Z"]:
        """z_u of standardised features."""
        return np.asarray(_encode(self.params, jnp.asarray(x), self.model))

    def unexplained(self, x: Float32[np.ndarray, "N F"]) -> Mapping[str, float]:
        """The share of each group's variance that doesn't come back."""
        decoded = np.asarray(_decoded(self.params, jnp.asarray(x), self.model))
        return unexplained(x, decoded, self.features.space.groups)

    def unexplained_by(self, components: Components, x: Float32[np.ndarray, "N F"]) -> Mapping[str, float]:
        """The same for principal components."""
        return unexplained(x, components.back(x), self.features.space.groups)


def train_autoencoder(
    features: Features, settings: Settings, user_ids: pa.StringArray, train: WatchedFit
) -> tuple[Chain, Fit]:
    """Train the autoencoder on features; the chain, and how the training went.

    Args:
        features: what it learns from.
        settings: how.
        user_ids: the source's ids of all users.
        train: trains, or goes on where an earlier call stopped.
    """
    space = features.space
    model = dataclasses.replace(settings.model, num_features=space.width)
    weights_F = weights_of(space.groups, settings.group_weights, space.cfg)
    training = settings.training
    batches = UserBatches(
        features.train.__getitem__, user_ids.take(features.moments.user), training.batch_size, settings.seed
    )
    objective = autoencoder_objective(model, weights=jnp.asarray(weights_F), squared=settings.squared)
    held = jnp.asarray(features.validation)

    def validate(params: Params) -> tuple[float, Mapping[str, float]]:
        loss, lost = _validation(params, held, jnp.asarray(weights_F), model)
        return -float(loss), {"unexplained": float(lost)}

    num_steps = training.fit.epochs * batches.steps_per_epoch
    rates = learning_rates(training.learning_rate, training.schedule, training.warmup, num_steps)
    config = stored_encoder_config(model, space)
    found = train(objective, adam(rates), batches, validate, training.fit, config)
    return Chain(features, weights_F, model, found.params), found


def trained_before(encoder: UserEncoder, sources: Sources, people: People, settings: Settings) -> Chain:
    """The chain of an earlier training, put to use on these sources."""
    features = _features(encoder.features, sources, people)
    weights_F = weights_of(features.space.groups, settings.group_weights, features.space.cfg)
    return Chain(features, weights_F, encoder.cfg, encoder.params)


def weights_of(groups: tuple[Group, ...], weights: Mapping[str, float], cfg: FeatureConfig) -> Float[np.ndarray, "F"]:
    """The weight of each feature in the loss, by the tags of its group; 1 where no tag has one.

    `longest` stands for the longest window that isn't left out.

    Raises:
        ValueError: if no group has a tag, or a weight is below 0.
    """
    tags = sorted({tag for group in groups for tag in group.tags})
    for tag, weight in weights.items():
        # What an ablation leaves out may have a weight all the same.
        if tag not in (*tags, *cfg.without, LONGEST):
            raise ValueError(f"train.group_weights names {tag!r}, but must be some of {', '.join((LONGEST, *tags))}")
        if not weight >= 0:
            raise ValueError(f"train.group_weights gives {tag!r} {weight}, but must be at least 0")
    num_features = sum(group.width for group in groups)
    found_F = np.ones(num_features, np.float32)
    for group, own in zip(groups, columns_of(groups, num_features), strict=True):
        own_tags = (*group.tags, LONGEST) if cfg.longest in group.tags else group.tags
        found_F[own] = np.prod([weights[tag] for tag in own_tags if tag in weights])
    return found_F


@partial(jax.jit, static_argnames="model")
def _encode(params: Params, x: jax.Array, model: AutoencoderConfig) -> jax.Array:
    return autoencoder.encode(params, x, model)


@partial(jax.jit, static_argnames="model")
def _decoded(params: Params, x: jax.Array, model: AutoencoderConfig) -> jax.Array:
    return autoencoder.decode(params, autoencoder.encode(params, x, model), model)


@partial(jax.jit, static_argnames="model")
def _validation(
    params: Params, x: jax.Array, weights: jax.Array, model: AutoencoderConfig
) -> tuple[jax.Array, jax.Array]:
    """The loss of Eq. 2, and the share of the variance that is lost."""
    difference = x - autoencoder.decode(params, autoencoder.encode(params, x, model), model)
    loss = jnp.mean(jnp.sqrt(jnp.sum(weights * difference**2, axis=1)))
    return loss, jnp.sum(difference**2) / jnp.sum((x - x.mean(axis=0)) ** 2)
