"""The response model's objective: of listeners whose responses are constant it learns those constants."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from tests.agents.small_world import ITEMS as NUM_ITEMS
from tests.agents.small_world import STYLES, small_world
from urep_jax.core.hazards import chance_within
from urep_jax.core.types import RESPONSES, Feedback
from urep_jax.data.listening_history import KnownItems, known_items
from urep_jax.data.response_windows import ResponseWindows, Windows, told_once, window_features
from urep_jax.evaluation.response_calibration import response_calibration
from urep_jax.models import response_model
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.logs import Log
from urep_jax.training.brings_back import learn_returns
from urep_jax.training.objective import Params
from urep_jax.training.response import done_of, hidden_and_seen, predict, response_losses, response_objective

WORLD, USERS, EVENTS, DAYS = small_world(), 240, 120, 20.0
KNOWN = known_items(WORLD.items)
CHANCES = np.array([0.5, 0.1, 0.35, 0.05])
OVER, RETURNS, POWER = 0.2, 0.7, 0.5


def constant_log(seed: int) -> Log:
    """Listeners who do whatever they do with the same chances at all times, until the window ends."""
    rng, shape = np.random.default_rng(seed), (USERS, EVENTS)
    kind = rng.choice(4, shape, p=CHANCES)
    ratio = np.where(kind >= 2, rng.uniform(size=shape) ** (1 / POWER), 1.0)
    over = rng.uniform(size=shape) < OVER
    days = np.where(over, rng.exponential(1 / RETURNS, shape), 0.0)
    item = rng.integers(0, NUM_ITEMS, shape)
    here = ratio * np.asarray(WORLD.items.minutes)[item] / 60
    after = np.cumsum(here + 24 * days, axis=1)
    began = np.pad(after[:, :-1], ((0, 0), (1, 0)))
    there = began < 24 * DAYS
    hours = began + here
    came_back = over & (after < 24 * DAYS)
    session = np.cumsum(np.pad(over[:, :-1], ((0, 0), (1, 0))), axis=1)
    first = np.maximum.accumulate(np.where(np.diff(session, prepend=-1) != 0, np.arange(EVENTS), 0), axis=1)
    zeros = np.zeros(shape, np.float32)
    return Log(
        listener=np.arange(USERS, dtype=np.int32) % 12,
        is_there=there,
        item=item.astype(np.int32),
        feedback=np.where(there, np.array(RESPONSES)[kind], 0).astype(np.int32),
        ratio=ratio.astype(np.float32),
        began=began.astype(np.float32),
        hours=hours.astype(np.float32),
        hour=rng.uniform(0, 24, shape).astype(np.float32),
        device=rng.integers(0, 4, shape).astype(np.int32),
        place=(np.arange(EVENTS) - first).astype(np.int32),
        days_since=zeros,
        heard=zeros,
        pool=np.zeros(shape, np.int32),
        session_over=over & there,
        came_back=came_back & there,
        days_away=np.where(over, np.where(came_back, days, DAYS - hours / 24), 0).astype(np.float32),
        probability=zeros,
    )


def windows(log: Log, batch_size: int, items: KnownItems = KNOWN) -> ResponseWindows:
    return ResponseWindows(log, np.asarray(WORLD.listeners.vector)[log.listener], items, STYLES, 8, batch_size, 0)


def model_of(source: ResponseWindows) -> ResponseConfig:
    seen = jax.eval_shape(lambda batch: window_features(batch, KNOWN), jax.tree.map(jnp.asarray, source[0]))
    return ResponseConfig(*(part.shape[-1] for part in seen[:3]), width=4, hidden=4, heads=1, window=8)


def test_of_constant_listeners_it_learns_the_constants() -> None:
    source = windows(constant_log(0), 128)
    model = model_of(source)
    objective = response_objective(model, KNOWN)
    move = optax.adamw(optax.cosine_decay_schedule(0.03, 150), weight_decay=0.3)

    @jax.jit
    def step(params: Params, opt_state: optax.OptState, batch: object) -> tuple[Params, optax.OptState]:
        def mean(params: Params) -> jax.Array:
            total, weight = objective.loss(params, batch, jax.random.key(0))
            return total / weight

        updates, opt_state = move.update(jax.grad(mean)(params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    params = objective.init(jax.random.key(0))
    opt_state = move.init(params)
    for number in range(150):
        params, opt_state = step(params, opt_state, source[number])

    items, line = learn_returns(constant_log(0), source, KNOWN, model.days)
    params = params | {"return": line}

    held_out = windows(constant_log(1), 128, items)
    batch = jax.tree.map(jnp.asarray, held_out[0])
    response, after = jax.jit(lambda params: predict(params, batch, items, model))(params)
    there, over = np.asarray(told_once(batch)), np.asarray(batch.outcome.session_over)
    np.testing.assert_allclose(jax.nn.softmax(response.feedback)[there].mean(0), CHANCES, atol=0.03)
    np.testing.assert_allclose(jax.nn.sigmoid(after.session_over)[there].mean(), OVER, atol=0.03)
    power = np.exp(np.asarray(response.log_power)[there]).mean()
    np.testing.assert_allclose(power / (1 + power), POWER / (1 + POWER), atol=0.03)
    for days in (1.0, 2.0, 7.0):
        told = chance_within(after.log_hazard, days, model.days)[there & over].mean()
        # Who was cut short in the log is not taken for one who stays away.
        np.testing.assert_allclose(told, 1 - np.exp(-RETURNS * days), atol=0.05)

    calibration = response_calibration(params, held_out, items, model, DAYS, bins=4)
    assert set(calibration) == {
        *("up", "skip", "down", "session_over"),
        *("back_within_1", "back_within_2", "back_within_7"),
    }
    assert all(of.compute() < 0.06 for of in calibration.values())
    assert calibration["skip"].count.sum() == constant_log(1).is_there.sum()


def test_what_did_not_happen_counts_for_nothing() -> None:
    """Outcomes of events that aren't there change no sum, and each head looks at its own events alone."""
    source = windows(constant_log(2), 64)
    model = model_of(source)
    objective = response_objective(model, KNOWN)
    params = objective.init(jax.random.key(0))
    last = source.steps_per_epoch - 1
    batch = jax.tree.map(jnp.asarray, source[last])
    there = batch.is_there
    assert not there.all()
    noisy = batch._replace(
        outcome=batch.outcome._replace(
            ratio=jnp.where(there, batch.outcome.ratio, 0.3),
            feedback=jnp.where(there, batch.outcome.feedback, int(Feedback.DOWN)),
            days_away=jnp.where(there, batch.outcome.days_away, 5.0),
            session_over=batch.outcome.session_over | ~there,
        )
    )

    @jax.jit
    def told(batch: Windows) -> dict[str, jax.Array]:
        hidden_BxRxD, _ = hidden_and_seen(params, batch, KNOWN, model)
        response = response_model.respond(params, hidden_BxRxD, model)
        over_BxR = response_model.session_over(params, hidden_BxRxD, done_of(batch, KNOWN), model)
        return response_losses(response, over_BxR, batch)

    losses = [told(batch), told(noisy)]
    for name in losses[0]:
        np.testing.assert_allclose(losses[0][name], losses[1][name], rtol=1e-5)
    total, weight = objective.loss(params, batch, jax.random.key(0))
    np.testing.assert_allclose(total, sum(losses[0].values()), rtol=1e-5)
    assert float(weight) == there.sum()
