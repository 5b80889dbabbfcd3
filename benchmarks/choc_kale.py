"""Mean returns of simple policies in Choc/Kale: our world beside RecSim's published environment.

    python -m benchmarks.choc_kale                 # our world alone
    python -m benchmarks.choc_kale --recsim        # and the published code, where Python finds recsim

Ten candidates with clickbait scores 0.05, 0.15, ... 0.95, the same in all episodes, and 60 items an episode; of each
policy the mean of the sum of its engagement, with half a 95 % interval over episodes. For the default parameters, and
for ones where satisfaction matters more and lasts longer. `greedy` knows the listener's satisfaction and takes the item
that is expected to engage most at once. Policies are deterministic but for `random`; engagement is drawn in both.

RecSim 0.2.4 imports Dopamine, TensorFlow and `gin.tf`, for its own agents and its runner, none of which an environment
needs: stand-ins of these names, as of `unittest.mock`, are enough, beside gym 0.26, absl-py and six.
"""

import argparse
import functools
import math
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.machine import describe
from urep_jax.simulation.satisfaction import Observation, SatisfactionParams, State, World, choc_kale
from urep_jax.simulation.satisfaction.mechanisms import satisfaction_of
from urep_jax.simulation.satisfaction.rollout import go_on, start

CLICKBAIT = tuple((place + 0.5) / 10 for place in range(10))
BUDGET = 60
CHOC_AT_LAST = 10


class Setting(NamedTuple):
    """How long satisfaction lasts, and how much it matters."""

    memory: float
    sensitivity: float


SETTINGS = {"default": Setting(memory=0.7, sensitivity=0.01), "long term": Setting(memory=0.9, sensitivity=0.3)}

Policy = Callable[[Any, Any, Any, Any], Any]
"""`policy(uniform, scores, worth, step)`: the place of what is shown; worth is the expected engagement now."""

POLICIES: dict[str, Policy] = {
    "random": lambda uniform, scores, worth, step: (uniform * len(scores)).astype("int32"),
    "choc": lambda uniform, scores, worth, step: scores.argmax(),
    "kale": lambda uniform, scores, worth, step: scores.argmin(),
    "alternating": lambda uniform, scores, worth, step: (scores * (1 - 2 * (step % 2))).argmax(),
    "greedy": lambda uniform, scores, worth, step: worth.argmax(),
    f"kale, choc for the last {CHOC_AT_LAST}": lambda uniform, scores, worth, step: (
        scores * (2 * (step >= BUDGET - CHOC_AT_LAST) - 1)
    ).argmax(),
}


def ours(policy: Policy, setting: Setting, episodes: int, seed: int) -> np.ndarray:
    """Returns of so many episodes in our world."""
    world, params = choc_kale(seed, clickbait=CLICKBAIT, num_listeners=episodes, budget=BUDGET, **setting._asdict())
    return np.asarray(_returns(jax.random.key(seed + 1), world, params, policy), np.float64)


@functools.partial(jax.jit, static_argnames="policy")
def _returns(key: jax.Array, world: World, params: SatisfactionParams, policy: Policy) -> jax.Array:
    starting, going = jax.random.split(key)
    everybody = jnp.arange(world.listeners.hour.shape[0], dtype=jnp.int32)

    def choose(key: jax.Array, state: State, observation: Observation) -> tuple[jax.Array, None]:
        candidates = observation.candidates
        mean = world.hidden.log_engaged[candidates] * satisfaction_of(params, state.exposure)
        worth = jnp.exp(mean + world.hidden.engaged_spread[candidates] ** 2 / 2)
        scores = world.items.content[candidates, 0]
        return policy(jax.random.uniform(key), scores, worth, state.items).astype(jnp.int32), None

    walk = start(starting, world, params, everybody)
    return go_on(going, walk, choose, world, params, BUDGET)[1].reward.sum(0)


def published(policy: Policy, setting: Setting, episodes: int, seed: int) -> np.ndarray:
    """Returns of so many episodes of RecSim's environment."""
    from recsim.environments import long_term_satisfaction as recsim
    from recsim.simulator import environment, recsim_gym

    class User(recsim.LTSUserState):
        """A user of RecSim's with other parameters."""

        def __init__(self, **given: float) -> None:
            begin = given["net_positive_exposure"] * (1 - given["memory_discount"]) / (1 - setting.memory)
            given |= {"memory_discount": setting.memory, "sensitivity": setting.sensitivity}
            super().__init__(**(given | {"net_positive_exposure": begin, "time_budget": BUDGET}))

    class Documents(recsim.LTSDocumentSampler):
        """The same documents as ours."""

        def sample_document(self) -> Any:
            """The next of them."""
            self._doc_count += 1
            return self._doc_ctor(doc_id=self._doc_count - 1, clickbait_score=CLICKBAIT[self._doc_count - 1])

    np.random.seed(seed)  # noqa: NPY002, RecSim draws from there
    model = recsim.LTSUserModel(1, user_state_ctor=User, response_model_ctor=recsim.LTSResponse, seed=seed)
    plain = environment.Environment(model, Documents(), len(CLICKBAIT), 1, resample_documents=False)
    env = recsim_gym.RecSimGymEnv(plain, recsim.clicked_engagement_reward)
    draw, found = np.random.default_rng(seed), np.zeros(episodes)
    for episode in range(episodes):
        seen, done, step = env.reset(), False, 0
        while not done:
            scores = np.array([float(document[0]) for document in seen["doc"].values()])
            state = model._user_state
            mean = (scores * state.choc_mean + (1 - scores) * state.kale_mean) * state.satisfaction
            spread = scores * state.choc_stddev + (1 - scores) * state.kale_stddev
            place = policy(np.float32(draw.random()), scores, np.exp(mean + spread**2 / 2), step)
            seen, reward, done, _ = env.step([int(place)])
            found[episode] += reward
            step += 1
    return found


def told(returns: np.ndarray) -> str:
    """A mean with half its 95 % interval."""
    return f"{returns.mean():,.1f} ±{1.96 * returns.std(ddof=1) / math.sqrt(len(returns)):,.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recsim", action="store_true", help="run the published environment beside ours")
    parser.add_argument("--episodes", type=int, default=20_000, help="of ours, of each policy")
    parser.add_argument("--recsim-episodes", type=int, default=1_000, help="of RecSim's, of each policy")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.recsim:
        try:
            import recsim.environments.long_term_satisfaction  # noqa: F401
        except ImportError as error:
            sys.exit(f"--recsim needs the published code, but {error}; install recsim, or leave --recsim out")
    machine = describe()
    print(f"{machine['cpu']}, {machine['cores']} cores, jax {jax.__version__}, NumPy {np.__version__}\n")
    for name, setting in SETTINGS.items():
        sides = [("urep_jax", ours, arguments.episodes)]
        sides += [("RecSim", published, arguments.recsim_episodes)] if arguments.recsim else []
        print(f"{name}: memory {setting.memory}, sensitivity {setting.sensitivity}\n")
        print(f"| policy | {' | '.join(side for side, _, _ in sides)} |\n| --- |{' ---: |' * len(sides)}")
        seconds = dict.fromkeys((side for side, _, _ in sides), 0.0)
        for place, (policy, choose) in enumerate(POLICIES.items()):
            row = []
            for side, play, episodes in sides:
                before = time.perf_counter()
                row.append(told(play(choose, setting, episodes, arguments.seed + place)))
                seconds[side] += time.perf_counter() - before
            print(f"| {policy} | {' | '.join(row)} |", flush=True)
        spent = (f"{side} {seconds[side]:.0f} s for {len(POLICIES) * episodes:,}" for side, _, episodes in sides)
        print(f"\nepisodes, compiling among them: {', '.join(spent)}\n")


if __name__ == "__main__":
    main()
