"""Chains that these tests share."""

from collections.abc import Mapping

from urep_jax.lineage.batch import Batch
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.state import Lineage

DAY = 86_400.0

# The paper's figure 6, with the two modalities that this library has.
CHAIN = ModelGraph(
    {
        "collaborative": (),
        "audio": (),
        "users": ("collaborative", "audio"),
        "listening": ("users", "collaborative", "audio"),
    }
)


def batch(space_id: str, *parents: str, at: float = 0.0) -> Batch:
    """One training, by ids such as `users-2`."""
    read = {parent.rpartition("-")[0]: parent for parent in parents}
    return Batch(space_id.rpartition("-")[0], space_id, read, at, f"runs/{space_id}")


def whole(number: int, at: float = 0.0) -> tuple[Batch, ...]:
    """A training of every model of `CHAIN`, each on those before it."""
    collaborative, audio, users = f"collaborative-{number}", f"audio-{number}", f"users-{number}"
    return (
        batch(collaborative, at=at),
        batch(audio, at=at),
        batch(users, collaborative, audio, at=at),
        batch(f"listening-{number}", users, collaborative, audio, at=at),
    )


def registered(lineage: Lineage, *batches: Batch) -> Lineage:
    """The chain after these trainings."""
    for one in batches:
        lineage, _ = lineage.register(one)
    return lineage


def began() -> Lineage:
    """`CHAIN`, trained once."""
    return registered(Lineage(CHAIN), *whole(1))


def ids(slot: Mapping[str, Batch]) -> set[str]:
    """Of the batches of a slot."""
    return {one.space_id for one in slot.values()}
