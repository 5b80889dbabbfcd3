"""What agents look at, and what they can't."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.agents.tiny import NETWORK, PARAMS, tiny_world
from urep_jax.agents.views import OBSERVED, TRUE, View, learnt, on_top_of, scores
from urep_jax.models import candidate_scorer
from urep_jax.simulation.satisfaction.environment import State, observe, utility
from urep_jax.simulation.satisfaction.rollout import go_on, start
from urep_jax.simulation.satisfaction.world import World


def walked(world: World, steps: int = 12) -> State:
    """A listener on the way."""
    walk = start(jax.random.key(0), world, PARAMS, jnp.arange(3))
    walk, _ = go_on(jax.random.key(1), walk, lambda key, state, seen: (jnp.int32(2), ()), world, PARAMS, steps)
    return jax.tree.map(lambda x: x[1], walk.state)


def test_what_a_service_looks_at_hangs_on_nothing_hidden() -> None:
    world = tiny_world()
    state = walked(world)
    lost = jax.tree.map(lambda x: x + 1, world.hidden)
    listeners = world.listeners._replace(
        wishes=world.listeners.wishes + 1, by_intent=-world.listeners.by_intent, patience=world.listeners.patience * 2
    )
    other_world = world._replace(hidden=lost, listeners=listeners)
    session = state.session._replace(mood=state.session.mood + 1, intent=state.session.intent + 1)
    other = state._replace(exposure=state.exposure + 1, satiation=state.satiation + 1, patience=state.patience / 2)
    other = other._replace(session=session)
    one = OBSERVED.listener((), world, PARAMS, state, observe(state, world))
    two = OBSERVED.listener((), other_world, PARAMS, other, observe(other, other_world))
    jax.tree.map(np.testing.assert_array_equal, one, two)
    np.testing.assert_array_equal(OBSERVED.items(world), OBSERVED.items(other_world))
    true = TRUE.listener((), world, PARAMS, state, observe(state, world))
    assert not np.allclose(true.listener, TRUE.listener((), world, PARAMS, other, observe(other, world)).listener)


def test_where_candidates_are_laid_out_nothing_else_is_seen() -> None:
    world = tiny_world()
    state = walked(world)
    assert world.offered is not None

    @jax.jit
    def view(world: World) -> View:
        return OBSERVED.listener((), world, PARAMS, state, observe(state, world))

    laid, by_rows = view(world), view(world._replace(offered=None))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5), laid, by_rows)


def test_each_look_says_what_its_scores_begin_with() -> None:
    world = tiny_world()
    state = walked(world)
    seen = observe(state, world)
    for look in (OBSERVED, TRUE):
        view = look.listener((), world, PARAMS, state, seen)
        assert view.candidates.shape == (20, len(look.weights))
        assert bool(jnp.isfinite(view.listener).all())
    np.testing.assert_allclose(
        TRUE.listener((), world, PARAMS, state, seen).candidates[:, 0], utility(state, seen.candidates, world, PARAMS)
    )


def test_an_agent_on_top_of_another_begins_with_what_that_one_expects() -> None:
    world = tiny_world()
    state = walked(world)
    seen = observe(state, world)
    view = OBSERVED.listener((), world, PARAMS, state, seen)

    def net(seed: int, weights: tuple[float, ...]) -> candidate_scorer.Params:
        sizes = {"listener": view.listener.shape[-1], "items": OBSERVED.items(world).shape[-1], "weights": weights}
        return candidate_scorer.init(jax.random.key(seed), NETWORK, **sizes)

    base = learnt(net(0, OBSERVED.weights), (), world, OBSERVED, NETWORK)
    _, expected = scores(base, world, PARAMS, state, seen, OBSERVED, NETWORK)
    look = on_top_of(OBSERVED, NETWORK, weight=1_000.0)
    top = learnt(net(1, look.weights), base, world, look, NETWORK)
    seen_now, found = scores(top, world, PARAMS, state, seen, look, NETWORK)
    np.testing.assert_allclose(seen_now.candidates[:, -1], expected.value + expected.candidates, rtol=1e-6)
    assert jnp.argmax(found.candidates) == jnp.argmax(expected.candidates)
