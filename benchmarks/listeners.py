"""Steps a second of the world of listeners, and of agents that learn in it.

    python -m benchmarks.listeners

`world` is the world alone, with random choices; `policy` adds a network that scores every candidate; `dqn` and `ppo`
learn from the steps as well, with the sizes of `experiment=long_term_satisfaction`. All take turns, and the median of
the rounds is told. A step is one item offered to one listener.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.machine import describe
from urep_jax.agents import dqn, policies, ppo
from urep_jax.agents.learning import Learner, LearningConfig, begin
from urep_jax.agents.views import OBSERVED, learnt
from urep_jax.evaluation.long_term import Act
from urep_jax.simulation.satisfaction import SatisfactionParams, World, make_world
from urep_jax.simulation.satisfaction.candidates import anything
from urep_jax.simulation.satisfaction.rollout import Walk, go_on, start
from urep_jax.simulation.streaming import StreamingParams

PARAMS = SatisfactionParams()
CASES = ("world", "policy", "dqn", "ppo")


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listeners", type=int, default=1024, help="who are walked with side by side")
    parser.add_argument("--candidates", type=int, default=1000, help="of a step")
    parser.add_argument("--tracks", type=int, default=2500, help="of the catalogue, beside 160 shows")
    parser.add_argument("--steps", type=int, default=64, help="of each listener in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    args = parser.parse_args()
    streaming = StreamingParams(num_users=args.listeners, num_tracks=args.tracks)
    world = make_world(streaming, 0, offer=anything(args.candidates))
    makers = {
        "world": lambda: _walking(world, args.listeners, args.steps, policies.random, ()),
        "policy": lambda: _policy(world, args.listeners, args.steps),
        "dqn": lambda: _learning(world, dqn.update, dqn.DqnConfig(listeners=args.listeners, steps=args.steps)),
        "ppo": lambda: _learning(world, ppo.update, ppo.PpoConfig(listeners=args.listeners, steps=args.steps)),
    }
    cases = {name: makers[name]() for name in args.cases}
    compile_s = {name: _seconds(once) for name, once in cases.items()}
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(args.rounds):
        for name, once in cases.items():
            seconds[name].append(_seconds(once))
    steps = args.listeners * args.steps
    results = {
        name: {
            "steps_per_s": round(steps / statistics.median(found)),
            "steps_per_s_spread": [round(steps / max(found)), round(steps / min(found))],
            "compile_s": round(compile_s[name], 1),
        }
        for name, found in seconds.items()
    }
    about = {**vars(args), "items": int(world.items.style.shape[0])}
    print(json.dumps({"machine": describe(), "about": about, "listeners": results}, indent=1))


def _seconds(once: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    jax.block_until_ready(once())
    return time.perf_counter() - begun


def _walk(world: World, listeners: int) -> Walk:
    return _start(jax.random.key(0), world, PARAMS, jnp.arange(listeners))


_start = jax.jit(start)


def _walking(world: World, listeners: int, steps: int, act: Act, of: Any) -> Callable[[], Any]:
    walk = _walk(world, listeners)

    @jax.jit
    def once(walk: Walk, world: World, of: Any) -> Walk:
        def choose(key: jax.Array, state: Any, seen: Any) -> tuple[jax.Array, tuple[()]]:
            return act(of, world, PARAMS, key, state, seen), ()

        return go_on(jax.random.key(1), walk, choose, world, PARAMS, steps)[0]

    return lambda: once(walk, world, of)


def _policy(world: World, listeners: int, steps: int) -> Callable[[], Any]:
    cfg = LearningConfig()
    net = begin(jax.random.key(2), _walk(world, listeners), (), world, PARAMS, OBSERVED, cfg).params
    act = policies.best(policies.scorer(OBSERVED, cfg.network))
    return _walking(world, listeners, steps, act, learnt(net, (), world, OBSERVED, cfg.network))


def _learning(world: World, update: Callable[..., Any], cfg: Any) -> Callable[[], Any]:
    learner = begin(jax.random.key(3), _walk(world, cfg.listeners), (), world, PARAMS, OBSERVED, cfg)

    @jax.jit
    def once(learner: Learner, world: World) -> Learner:
        learner, _ = update(jax.random.key(4), learner, (), world, PARAMS, OBSERVED, cfg)
        return learner

    return lambda: once(learner, world)


if __name__ == "__main__":
    main()
