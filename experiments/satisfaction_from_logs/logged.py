"""The logs that everything is learnt from and judged on: many policies tried out side by side, and one that is new."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.satisfaction_from_logs.settings import Settings
from urep_jax.agents.learned_world import Service, service_of
from urep_jax.agents.softmax_policies import SoftmaxPolicies, draw_policies, in_turn, more_of_the_same
from urep_jax.core.streams import numpy_stream, stream
from urep_jax.data.listening_history import KnownItems, known_items
from urep_jax.simulation.satisfaction.logs import Log, Unseen, write_log
from urep_jax.simulation.satisfaction.making import make_world
from urep_jax.simulation.satisfaction.world import World

TRAIN, VALIDATION = "train", "validation"
OTHER_TRAIN, OTHER_VALIDATION = "other train", "other validation"
"""As many others, from whom the same could have been learnt."""

NEW_LISTENERS, NEW_POLICY = "new listeners", "new policy"
TESTS = (NEW_LISTENERS, NEW_POLICY)
"""What is judged on: listeners of whom nothing was learnt, offered what policies offer that were learnt from, and
likewise what one offers that wasn't."""

_VALIDATED = 8
"""One in so many of the listeners that are learnt from says when to stop."""


class Part(NamedTuple):
    """Some listeners' log.

    Attributes:
        log: what a service sees.
        vectors: what it knows of each listener beforehand.
        unseen: what it doesn't know; None of real listeners.
    """

    log: Log
    vectors: np.ndarray
    unseen: Unseen | None = None


class Logged(NamedTuple):
    """The logs of a world, or of real listeners.

    Attributes:
        seed: of all that is drawn; of a simulated world too.
        service: what a service knows of the world.
        items: what a model reads of what can be played.
        train: what is learnt from.
        validation: what says when to stop.
        others: likewise, of as many others.
        tests: what is judged on, by name; of a simulated world, by `TESTS`.
        world: the world itself, if it is a simulated one.
    """

    seed: int
    service: Service
    items: KnownItems
    train: Part
    validation: Part
    others: tuple[Part, Part]
    tests: dict[str, Part]
    world: World | None = None

    @property
    def num_styles(self) -> int:
        """Styles that items may be of."""
        return int(self.service.styles.shape[0])

    @property
    def parts(self) -> dict[str, Part]:
        """All of the logs, by name."""
        others = dict(zip((OTHER_TRAIN, OTHER_VALIDATION), self.others, strict=True))
        return {TRAIN: self.train, VALIDATION: self.validation, **others, **self.tests}


def write(seed: int, settings: Settings) -> Logged:
    """Make a world and log its listeners, each under another policy each week; some under the new one throughout.

    Args:
        seed: of the world.
        settings: the run's.
    """
    world = make_world(settings.streaming, seed, settings.items, settings.offer)
    content = world.items.content.shape[1]
    tried = draw_policies(stream(seed, "logs.policies"), settings.policies, content, settings.strength)
    policies = SoftmaxPolicies(*map(jnp.concatenate, zip(tried, more_of_the_same(content), strict=True)))
    weeks = int(np.ceil(float(settings.params.weeks)))
    rng = numpy_stream(seed, "logs.which")
    which_UxW = rng.integers(0, settings.policies, (settings.streaming.num_users, weeks)).astype(np.int32)
    bounds = np.cumsum([0, settings.listeners, settings.tested, settings.tested, settings.listeners])
    which_UxW[bounds[2] : bounds[3]] = settings.policies
    choose = in_turn(world, policies, jnp.asarray(which_UxW))
    vectors = np.asarray(world.listeners.vector)

    def logged(name: str, first: int, last: int) -> Part:
        who = np.arange(first, last, dtype=np.int32)
        log, unseen = write_log(stream(seed, name), world, settings.params, choose, who, settings.most_events)
        return Part(log, vectors[who], unseen)

    def cut(of: Part, first: int, last: int) -> Part:
        return jax.tree.map(lambda x: np.asarray(x)[first:last], of)

    whole, others = logged("logs", 0, bounds[3]), logged("logs.others", bounds[3], bounds[4])
    validated = settings.listeners - max(1, settings.listeners // _VALIDATED)
    return Logged(
        seed,
        service_of(world),
        known_items(world.items),
        train=cut(whole, 0, validated),
        validation=cut(whole, validated, settings.listeners),
        others=(cut(others, 0, validated), cut(others, validated, settings.listeners)),
        tests={name: cut(whole, bounds[n + 1], bounds[n + 2]) for n, name in enumerate(TESTS)},
        world=world,
    )
