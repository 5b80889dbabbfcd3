"""Choc/Kale, RecSim's environment of long-term satisfaction, as parameters of this world.

Chocolate engages now and wears on satisfaction, kale does the reverse. With `c` an item's clickbait score, 0 (kale) to
1 (chocolate), there

    NPE' = memory NPE + 1 - 2 c + innovation noise,                NPE_0 = (u - 1/2) / (1 - memory),
    log engagement = (c choc_mean + (1 - c) kale_mean) s + (c choc_spread + (1 - c) kale_spread) noise,
    s = sigmoid(sensitivity NPE) before the item,                  u uniform on 0 to 1.

Here net exposure is `n = (1 - memory) NPE`, so that with a dose of 1 for each item

    nourishment = 1 - 2 c,   innovation_here = (1 - memory) innovation,   sensitivity_here = sensitivity / (1 - memory),

and `n_0 = u - 1/2`. One thing differs: an episode here begins with one item's noise on top of n_0. The noise has a
standard deviation of 0.015 by default, that of n_0 is 0.289.

Source: Ie et al. (2019), "RecSim: A Configurable Simulation Platform for Recommender Systems", arXiv 1909.04847, and
the defaults of its `long_term_satisfaction`.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from urep_jax.core.streams import stream
from urep_jax.simulation.ranges import require
from urep_jax.simulation.satisfaction.candidates import anything
from urep_jax.simulation.satisfaction.mechanisms import INTENTS
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.satisfaction.world import Hidden, Items, Listeners, World


def choc_kale(
    seed: int,
    *,
    clickbait: Sequence[float] | None = None,
    num_candidates: int = 10,
    num_listeners: int = 4096,
    memory: float = 0.7,
    sensitivity: float = 0.01,
    innovation: float = 0.05,
    choc_mean: float = 5.0,
    choc_spread: float = 1.0,
    kale_mean: float = 4.0,
    kale_spread: float = 1.0,
    budget: int = 60,
) -> tuple[World, SatisfactionParams]:
    """A world of chocolate and kale, and its parameters; the return of an episode is the sum of its engagement.

    Nobody likes one item better than another, leaves one early, or goes away before the `budget` is spent.

    Args:
        seed: of what is drawn: the scores, and where each listener begins; at least 0.
        clickbait: the scores of the candidates, 0 to 1, the same in all episodes; drawn evenly, if None.
        num_candidates: how many are drawn.
        num_listeners: how many listeners there are, who differ in where they begin and in nothing else.
        memory: share of NPE that outlasts an item, 0 to below 1.
        sensitivity: slope of satisfaction over NPE, at least 0.
        innovation: standard deviation of NPE's noise, at least 0.
        choc_mean: log of engagement with chocolate, of who is fully satisfied.
        choc_spread: standard deviation of that log.
        kale_mean: the same for kale.
        kale_spread: the same for kale.
        budget: items of an episode, at least 1.

    Returns:
        The world, and the parameters to use it with.

    Raises:
        ValueError: if a value is outside its range; the message names the value, the rule and the mend.
    """
    # Before anything is divided by what memory leaves.
    checked = SatisfactionParams(memory=memory, sensitivity=sensitivity, innovation=innovation, most_items=budget)
    for name, count in (("num_candidates", num_candidates), ("num_listeners", num_listeners)):
        require(count >= 1, f"{name} is {count}, but must be at least 1; set it so")
    for name, count in (("num_candidates", num_candidates), ("num_listeners", num_listeners)):
        require(count >= 1, f"{name} is {count}, but must be at least 1; set it so")
    if clickbait is None:
        scores_V = jax.random.uniform(stream(seed, "choc_kale.clickbait"), (num_candidates,))
    else:
        for score in clickbait:
            require(0 <= score <= 1, f"clickbait has {score}, but scores must lie between 0 and 1; set it within")
        scores_V = jnp.array(clickbait, jnp.float32)
    num_items, nothing_V, one_V = len(scores_V), jnp.zeros_like(scores_V), jnp.ones_like(scores_V)
    items = Items(
        content=scores_V[:, None],
        style=jnp.zeros(num_items, jnp.int32),
        artist=jnp.arange(num_items, dtype=jnp.int32),
        log_popularity=nothing_V - jnp.log(float(num_items)),
        minutes=one_V,
        is_show=jnp.zeros(num_items, bool),
    )
    hidden = Hidden(
        parts=nothing_V[:, None],
        nourishment=1 - 2 * scores_V,
        pull=nothing_V,
        log_engaged=scores_V * choc_mean + (1 - scores_V) * kale_mean,
        engaged_spread=scores_V * choc_spread + (1 - scores_V) * kale_spread,
    )
    nothing_U, one_U = jnp.zeros(num_listeners), jnp.ones(num_listeners)
    pools_PxN, pools_UxQ = anything(num_items, pools=1)(stream(seed, "choc_kale.pools"), items, nothing_U[:, None])
    listeners = Listeners(
        wishes=nothing_U[:, None],
        by_intent=jnp.zeros((num_listeners, len(INTENTS), 1)),
        hour=12 * one_U,
        device=jnp.zeros(num_listeners, jnp.int32),
        patience=one_U,
        satiation=one_U,
        pause=one_U,
        exposure=jax.random.uniform(stream(seed, "choc_kale.start"), (num_listeners,)) - 0.5,
        is_show_user=jnp.zeros(num_listeners, bool),
        vector=nothing_U[:, None],
        pools=pools_UxQ,
    )
    off = ("annoyance", "engagement", "satiation", "repeats", "context", "mood", "impatience", "leave")
    never = ("skip", "up", "down")
    params = SatisfactionParams(
        memory=memory,
        nourishment=1.0,
        item_minutes=1.0,
        innovation=(1 - memory) * checked.innovation,
        sensitivity=checked.sensitivity / (1 - memory),
        engaged=1.0,
        session_minutes=math.inf,
        reward_minutes=1.0,
        reward_up=0.0,
        reward_return=0.0,
        weeks=1000.0,
        most_items=float(budget),
        **dict.fromkeys(off, 0.0),
        **dict.fromkeys(never, -100.0),
    )
    return World(items, hidden, listeners, pools_PxN, jnp.zeros(1, jnp.int32)), params
