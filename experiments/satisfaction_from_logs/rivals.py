"""Policies that need no training, as different as they come; none of them was logged."""

import jax
import jax.numpy as jnp
import numpy as np

from urep_jax.agents.softmax_policies import SEEN, SoftmaxPolicies
from urep_jax.core.streams import stream
from urep_jax.simulation.satisfaction.world import World

GREEDY = 30.0
"""A weight that as good as always chooses the best."""

SOFT = 3.0

BY_WEIGHTS: dict[str, dict[str, float]] = {
    "random": {},
    "popular": {"popular": SOFT},
    "near": {"near": SOFT},
    "nearest": {"near": GREEDY},
    "most liked": {"liked": GREEDY},
    "rotation": {"near": 10.0, "style": -10.0},
    "long": {"near": 2.0, "long": SOFT},
}
"""Those of weights alone (`softmax_policies.SEEN`)."""

BY_CONTENT: dict[str, tuple[str, float, float]] = {
    "one direction": ("any", 2.0, 0.0),
    "nourishing": ("nourishing", 2.0, 0.0),
    "most nourishing": ("nourishing", GREEDY, 0.0),
    "nourishing and near": ("nourishing", 10.0, 10.0),
    "empty": ("nourishing", -2.0, 0.0),
}
"""Those that go along a direction of content: which one, how far, and the weight of nearness beside it. `nourishing` is
the direction along which what nourishes lies: no service knows it, but there is a policy that has it by chance."""

DIRECTIONS = ("one direction", "another direction", "a third direction")
"""Those that go along one of chance, where nobody knows what nourishes."""

NEVER_AGAIN = {"known": -GREEDY}
"""What is weighed besides, where logs tell nothing of what is heard again."""


def rivals(seed: int, world: World) -> dict[str, SoftmaxPolicies]:
    """Each by its name, without the first axis.

    Args:
        seed: of the world.
        world: a simulated one.
    """
    content_VxF = np.asarray(world.items.content)
    with_one = np.column_stack([content_VxF, np.ones(len(content_VxF))])
    slope_F = np.linalg.lstsq(with_one, np.asarray(world.hidden.nourishment), rcond=None)[0][:-1]
    any_F = jax.random.normal(stream(seed, "rivals"), (content_VxF.shape[1],))
    raw = {"any": np.asarray(any_F), "nourishing": slope_F}
    directions = {name: x_F / np.linalg.norm(x_F) for name, x_F in raw.items()}
    made = {name: _policy(weights, content_VxF.shape[1]) for name, weights in BY_WEIGHTS.items()}
    for name, (which, length, near) in BY_CONTENT.items():
        made[name] = _policy({"near": near}, length * directions[which])
    return made


def real_rivals(seed: int, content: int) -> dict[str, SoftmaxPolicies]:
    """Likewise, of those that need to know of no item whether it nourishes, and offer nothing twice.

    Lengths aren't known, so that none goes by them.

    Args:
        seed: decides the directions.
        content: numbers of an item's content.
    """
    away_AxF = np.asarray(jax.random.normal(stream(seed, "rivals"), (len(DIRECTIONS), content)))
    away_AxF = 2 * away_AxF / np.linalg.norm(away_AxF, axis=1, keepdims=True)
    by_weights = {name: weights for name, weights in BY_WEIGHTS.items() if "long" not in weights}
    made = {name: _policy(weights | NEVER_AGAIN, content) for name, weights in by_weights.items()}
    return made | {name: _policy(NEVER_AGAIN, x_F) for name, x_F in zip(DIRECTIONS, away_AxF, strict=True)}


def _policy(weights: dict[str, float], towards: int | np.ndarray) -> SoftmaxPolicies:
    """One of these weights; towards a direction of content, or none of so many numbers."""
    towards_F = np.zeros(towards) if isinstance(towards, int) else towards
    return SoftmaxPolicies(
        jnp.array([weights.get(name, 0.0) for name in SEEN], jnp.float32), jnp.asarray(towards_F, jnp.float32)
    )
