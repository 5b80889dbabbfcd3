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


def rivals(seed: int, world: World) -> dict[str, SoftmaxPolicies]:
    """Each by its name, without the first axis.

    Args:
        seed: of the world.
        world: the world.
    """
    content_VxF = np.asarray(world.items.content)
    with_one = np.column_stack([content_VxF, np.ones(len(content_VxF))])
    slope_F = np.linalg.lstsq(with_one, np.asarray(world.hidden.nourishment), rcond=None)[0][:-1]
    any_F = jax.random.normal(stream(seed, "rivals"), (content_VxF.shape[1],))
    raw = {"any": np.asarray(any_F), "nourishing": slope_F}
    directions = {name: x_F / np.linalg.norm(x_F) for name, x_F in raw.items()}
    still_F = jnp.zeros(content_VxF.shape[1])
    made = {name: SoftmaxPolicies(_weights(weights), still_F) for name, weights in BY_WEIGHTS.items()}
    for name, (which, length, near) in BY_CONTENT.items():
        made[name] = SoftmaxPolicies(_weights({"near": near}), jnp.asarray(length * directions[which], jnp.float32))
    return made


def _weights(of: dict[str, float]) -> jax.Array:
    return jnp.array([of.get(name, 0.0) for name in SEEN], jnp.float32)
