"""What all agents that learn share: what they carry, how they act, and one update after another."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float32, Int32

from urep_jax.agents.returns import discounts, lambda_returns
from urep_jax.agents.views import Look
from urep_jax.models import candidate_scorer
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.simulation.satisfaction.environment import AnyWorld
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.rollout import TRUE, Environment, Trajectory, Walk, start

Params = Any


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """What agents that learn have in common.

    Attributes:
        network: sizes of the network.
        listeners: that are walked with side by side.
        steps: of each listener between two updates.
        updates: in all.
        minibatches: that an update's steps are cut into.
        epochs: times that each is learnt from.
        learning_rate: at the beginning; falls to nothing at the end.
        horizon_days: days after which a reward is worth 1/e; 0: only the next item counts.
        trace: share of returns that is sampled, not taken from the network (`returns.lambda_returns`).
        reward_unit: rewards of a whole horizon are divided by this, so that values are about of size 1.
        clip: largest norm of a gradient.
    """

    network: CandidateScorerConfig = dataclasses.field(default_factory=CandidateScorerConfig)
    listeners: int = 128
    steps: int = 32
    updates: int = 200
    minibatches: int = 8
    epochs: int = 2
    learning_rate: float = 2e-3
    horizon_days: float = 14.0
    trace: float = 0.95
    reward_unit: float = 100.0
    clip: float = 1.0


class Learner(NamedTuple):
    """All that is carried from update to update."""

    update: Int32[Array, ""]
    params: Params
    opt_state: optax.OptState
    walk: Walk


class Report(NamedTuple):
    """What an update only reports: the mean reward of a step, and the mean loss."""

    reward: Float32[Array, ""]
    loss: Float32[Array, ""]


def optimizer(cfg: LearningConfig) -> optax.GradientTransformation:
    """Adam with gradients of limited norm, and a learning rate that falls to nothing."""
    rate = optax.linear_schedule(cfg.learning_rate, 0.0, cfg.updates * cfg.minibatches * cfg.epochs)
    return optax.chain(optax.clip_by_global_norm(cfg.clip), optax.adam(rate, eps=1e-5))


def set_out(
    key: jax.Array, world: AnyWorld, params: SatisfactionParams, count: int, environment: Environment = TRUE
) -> Walk:
    """So many listeners, drawn evenly, with whom an agent begins to learn."""
    who, walking = jax.random.split(key)
    return start(
        walking, world, params, jax.random.randint(who, (count,), 0, world.listeners.hour.shape[0]), environment
    )


def begin(
    key: jax.Array,
    walk: Walk,
    base: Any,
    world: AnyWorld,
    params: SatisfactionParams,
    look: Look,
    cfg: LearningConfig,
    environment: Environment = TRUE,
) -> Learner:
    """A learner that knows nothing yet.

    Args:
        key: consumed.
        walk: the listeners that it will learn from, `cfg.listeners` of them.
        base: what its look asks for.
        world: the world.
        params: its parameters.
        look: how it looks at the world.
        cfg: how it learns.
        environment: the world itself, or what stands in for it.
    """
    first = jax.tree.map(lambda x: x[0], walk.state)
    view, items = jax.eval_shape(
        lambda state: (look.listener(base, world, params, state, environment.observe(state, world)), look.items(world)),
        first,
    )
    net = candidate_scorer.init(
        key, cfg.network, listener=view.listener.shape[-1], items=items.shape[-1], weights=look.weights
    )
    return Learner(jnp.int32(0), net, optimizer(cfg).init(net), walk)


def minibatches(key: jax.Array, batch: Any, count: int) -> Any:
    """Steps of `T` x `B` in random order, cut into so many parts."""
    flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch)
    size = jax.tree.leaves(flat)[0].shape[0]
    order = jax.random.permutation(key, size)
    return jax.tree.map(lambda x: x[order].reshape(count, size // count, *x.shape[1:]), flat)


def learn(
    net: Params,
    opt_state: optax.OptState,
    loss: Callable[[Params, Any], jax.Array],
    batch: Any,
    key: jax.Array,
    cfg: LearningConfig,
) -> tuple[Params, optax.OptState, Float32[Array, ""]]:
    """Epochs of steps on these, and the mean loss."""
    move = optimizer(cfg)

    def step(carry: Any, part: Any) -> tuple[Any, jax.Array]:
        net, opt_state = carry
        value, grad = jax.value_and_grad(loss)(net, part)
        updates, opt_state = move.update(grad, opt_state, net)
        return (optax.apply_updates(net, updates), opt_state), value

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        carry, values = jax.lax.scan(step, carry, minibatches(key, batch, cfg.minibatches))
        return carry, values.mean()

    (net, opt_state), values = jax.lax.scan(epoch, (net, opt_state), jax.random.split(key, cfg.epochs))
    return net, opt_state, values.mean()


def returns_of(
    taken: Trajectory, value: Float32[Array, "T B"], last: Float32[Array, "B"], cfg: LearningConfig
) -> Float32[Array, "T B"]:
    """The lambda-returns of steps, in units of `cfg.reward_unit`.

    Args:
        taken: the steps.
        value: of the state that each begins in, in these units.
        last: value of the state that the last one leads to.
        cfg: how the agent learns.
    """
    return lambda_returns(
        taken.reward / cfg.reward_unit,
        discounts(taken.info.hours, cfg.horizon_days) * ~taken.terminated,
        jnp.concatenate([value[1:], last[None]]),
        taken.terminated | taken.truncated,
        cfg.trace,
    )


def mean_over(value_TxB: jax.Array, is_there_TxB: jax.Array) -> jax.Array:
    """Mean over the steps that were taken."""
    return (value_TxB * is_there_TxB).sum() / jnp.maximum(is_there_TxB.sum(), 1)
