"""What an agent looks at: numbers of the listener, of items, and of how the two stand to each other now.

`OBSERVED` makes them from what a service sees. `TRUE` reads the hidden state as well: it is an oracle's.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32

from urep_jax.core.products import products_of_rows
from urep_jax.core.types import RESPONSES
from urep_jax.models import candidate_scorer
from urep_jax.models.candidate_scorer import CandidateScorerConfig, Scores
from urep_jax.simulation.satisfaction.environment import AnyState, AnyWorld, Observation, State, utility
from urep_jax.simulation.satisfaction.mechanisms import HOURS_PER_DAY, doses, repeat_gain, satisfaction_of
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import World
from urep_jax.simulation.streaming.params import DEVICES

FAMILIAR = 3.0
"""Times heard that count as one in what is seen of a candidate."""

FADING = (0.7, 0.9)
"""Weight of each event beside the next one's, in what is seen of recent events: of the last few, and of all."""


class View(NamedTuple):
    """What is seen of a listener and the candidates.

    Attributes:
        listener: numbers of the listener.
        candidates: of each candidate, numbers of how it stands to the listener now.
    """

    listener: Float32[Array, "X"]
    candidates: Float32[Array, "N M"]


class Look(NamedTuple):
    """What makes a view of one listener, and the numbers of items that never change.

    Attributes:
        items: `items(world)`: numbers of each item, V x F, about of size 1.
        listener: `listener(base, world, params, state, observation)`: what is seen of one listener now, with the help
            of what was learnt before (`base`).
        weights: what scores begin with, for each number of how a candidate stands to the listener.
    """

    items: Callable[[AnyWorld], jax.Array]
    listener: Callable[[Any, AnyWorld, SatisfactionParams, AnyState, Observation], View]
    weights: tuple[float, ...]


def _observed_items(world: AnyWorld) -> Float32[Array, "V F"]:
    of = world.items
    fame_V = of.log_popularity - of.log_popularity.mean()
    long_V = jnp.log(of.minutes) - jnp.log(of.minutes).mean()
    columns = (fame_V / jnp.maximum(fame_V.std(), 1e-6), long_V, of.is_show.astype(jnp.float32))
    return jnp.concatenate([of.content, jnp.stack(columns, axis=1)], axis=1)


def _observed(base: Any, world: AnyWorld, params: SatisfactionParams, state: AnyState, seen: Observation) -> View:
    of, recent = world.items, seen.recent
    is_event_R = recent.item >= 0
    content_RxF = of.content[recent.item] * is_event_R[:, None]
    style_RxG = jax.nn.one_hot(jnp.where(is_event_R, of.style[recent.item], -1), world.styles.shape[0])
    kind_RxJ = (recent.feedback[:, None] == jnp.array(RESPONSES)) & is_event_R[:, None]
    ago_R = jnp.arange(recent.item.shape[0] - 1, -1, -1)
    means, shares = [], []
    for fading in FADING:
        weight_R = fading**ago_R
        weight_JxR = kind_RxJ.T * weight_R / weight_R.sum()
        means.append(weight_JxR @ content_RxF)
        shares.append(weight_JxR.sum(1))
    day_R = 2.0 ** (-(seen.hours - recent.hours) / HOURS_PER_DAY)
    tired_G = (FADING[0] ** ago_R * day_R * recent.ratio) @ style_RxG
    angle = 2 * jnp.pi * seen.hour / HOURS_PER_DAY
    context = jnp.stack(
        [jnp.sin(angle), jnp.cos(angle), jnp.log1p(seen.place), jnp.log1p(seen.days_since), is_event_R.mean()]
    )
    device = jax.nn.one_hot(seen.device, len(DEVICES))
    listener_X = jnp.concatenate([seen.vector, *(mean.ravel() for mean in means), *shares, context, device])

    # Nearness is what generalises to listeners and items that were never met.
    played_F, up_F, skipped_F, down_F = means[-1]
    near_3xF = jnp.stack([seen.vector, played_F + 2 * up_F, skipped_F + down_F])
    if world.offered is None:
        near_Nx3 = products_of_rows(of.content, seen.candidates, near_3xF)
    else:
        near_Nx3 = (near_3xF @ world.offered[state.session.pool]).T
    near_Nx3 /= of.content.shape[1] ** 0.5
    heard_N = jnp.minimum(seen.heard / FAMILIAR, 3.0)
    tired_N = tired_G[of.style[seen.candidates]]
    return View(listener_X, jnp.column_stack([near_Nx3, heard_N, heard_N**2, tired_N]))


def _true_items(world: World) -> Float32[Array, "V F"]:
    of = world.hidden
    return jnp.stack([of.nourishment, of.pull, jnp.log(world.items.minutes) - 1.3], axis=1)


def _true(base: Any, world: World, params: SatisfactionParams, state: State, seen: Observation) -> View:
    at_N, who = seen.candidates, state.listener
    worth_N = utility(state, at_N, world, params)
    tired_N = world.listeners.satiation[who] * state.satiation[world.items.style[at_N]]
    gain_N = repeat_gain(params, state.times[at_N])
    left = jnp.maximum(1 - seen.hours / (HOURS_PER_DAY * 7 * params.weeks), 0.0)
    listener_X = jnp.stack(
        [
            state.exposure,
            satisfaction_of(params, state.exposure),
            state.patience,
            left,
            jnp.log(world.listeners.patience[who]),
            jnp.log(world.listeners.satiation[who]),
            jnp.log(world.listeners.pause[who]),
        ]
    )
    doses_N = doses(params, jnp.ones(at_N.shape), world.items.minutes[at_N])
    nourishing_N = world.hidden.nourishment[at_N]
    return View(
        listener_X,
        jnp.stack([worth_N, nourishing_N, nourishing_N * jnp.minimum(doses_N, 3.0), tired_N, gain_N], axis=1),
    )


OBSERVED = Look(_observed_items, _observed, (0.0,) * 6)
TRUE = Look(_true_items, _true, (1.0, 0.0, 0.0, 0.0, 0.0))


class Learnt(NamedTuple):
    """What an agent has learnt, ready to score candidates.

    Attributes:
        net: parameters of its network.
        vectors: of the world's items, from `candidate_scorer.item_vectors`.
        base: what its look asks for.
    """

    net: Any
    vectors: Float32[Array, "V W"]
    base: Any


def learnt(net: Any, base: Any, world: AnyWorld, look: Look, cfg: CandidateScorerConfig) -> Learnt:
    """A network, ready to score this world's candidates."""
    return Learnt(net, candidate_scorer.item_vectors(net, look.items(world), cfg), base)


def scores(
    of: Learnt,
    world: AnyWorld,
    params: SatisfactionParams,
    state: AnyState,
    seen: Observation,
    look: Look,
    cfg: CandidateScorerConfig,
) -> tuple[View, Scores]:
    """What is seen of one listener, and what a network says of it and of the candidates."""
    view = look.listener(of.base, world, params, state, seen)
    return view, candidate_scorer.apply(of.net, view.listener, of.vectors, seen.candidates, view.candidates, cfg)


def on_top_of(inner: Look, cfg: CandidateScorerConfig, weight: float) -> Look:
    """The same look, and what another agent, the `base` (a `Learnt`), expects of each candidate.

    Args:
        inner: how both look at the world.
        cfg: the size of the base's network.
        weight: what its expectation weighs in scores at first.
    """

    def listener(base: Learnt, world: AnyWorld, params: SatisfactionParams, state: AnyState, seen: Observation) -> View:
        view, found = scores(base, world, params, state, seen, inner, cfg)
        expected_N = found.value + found.candidates
        return View(view.listener, jnp.column_stack([view.candidates, expected_N]))

    return Look(inner.items, listener, (*inner.weights, weight))
