"""Every training registers in its workspace's lineage, wherever its run folder lies."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from urep_jax.core.spaces import Space
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.errors import LineageError
from urep_jax.lineage.graph import ModelGraph
from urep_jax.lineage.reading import reading
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online.models import RANKER, USERS


def lineage_store(cfg: DictConfig) -> LineageStore:
    """The workspace's lineage."""
    workspace = Path(cfg.workspace)
    workspace.mkdir(parents=True, exist_ok=True)
    return LineageStore(workspace / "lineage.sqlite")


def cadence(cfg: DictConfig) -> dict[str, float]:
    """Days after which models are due again, of those that `lineage.retrain_days` tells of.

    Raises:
        ValueError: if it isn't a mapping of numbers.
    """
    told = cfg.lineage.retrain_days
    if told is None:
        return {}
    if not isinstance(told, DictConfig):
        raise ValueError(f"lineage.retrain_days is {told!r}, but must be a mapping, such as {{users: 30}}")
    for model, days in told.items():
        if not isinstance(days, (int, float)) or isinstance(days, bool):
            raise ValueError(f"lineage.retrain_days.{model!s} is {days!r}, but must be a number of days")
    return {str(model): float(days) for model, days in told.items()}


@contextlib.contextmanager
def held(cfg: DictConfig, space: Space, reader: str) -> Iterator[None]:
    """Keep a space while something is done with it: a rotation that would drop it is refused, and names the reader.

    A space that no chain of the workspace has in use can't be dropped.
    """
    store = lineage_store(cfg)
    with contextlib.ExitStack() as stack:
        for chain in store.chains():
            kept = {batch.space_id for batch in store.look(chain).lineage.slots.kept()}
            if space.id in kept:
                stack.enter_context(reading(store, chain, reader, space.ids.values()))
        yield


def user_graph(encoders: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The chain of Fig. 6: encoders of items, users who are made of them, and what is learnt from both."""
    return {**dict.fromkeys(encoders, ()), USERS: tuple(encoders), RANKER: (USERS, *encoders)}


def refresh(cfg: DictConfig, run: Path, space: Space, console: Console) -> None:
    """Register a space that has grown: the batch is the one that it was, and as old, but lies in another folder.

    What the chain doesn't have, or has no more, is told and not registered.
    """
    chain = cfg.lineage.chain
    if chain is None:
        return
    store = lineage_store(cfg)
    try:
        was = store.look(chain).lineage.slots.batch(space.id)
        store.register(chain, Batch.of(space, trained_at=was.trained_at, run=str(run.absolute())))
    except LineageError as error:
        console.print(f"not registered in the lineage of {chain}: {error}", soft_wrap=True, markup=False)


class Registry:
    """Registers the trainings of one run.

    A run whose models read others than those of its chain can't serve in it: that is told once, and nothing of it is
    registered. No training is lost for it.

    Args:
        cfg: the run's.
        run: its folder.
        parents: the models of its chain, and what each reads.
        console: where it is told.

    Raises:
        ValueError: if the workspace's lineage can't be read, or a model has a name that can't be one.
    """

    def __init__(self, cfg: DictConfig, run: Path, parents: Mapping[str, Sequence[str]], console: Console) -> None:
        self._chain, self._run, self._console = cfg.lineage.chain, str(run.absolute()), console
        graph = ModelGraph({name: tuple(read) for name, read in parents.items()})
        self._store = None if self._chain is None else lineage_store(cfg)
        if self._store is not None:
            try:
                self._store.declare(self._chain, graph, cadence(cfg))
            except LineageError as error:
                self._refused(error)

    def trained(self, space: Space) -> None:
        """A model was trained that maps into a space."""
        if self._store is not None:
            try:
                self._store.register(self._chain, Batch.of(space, trained_at=time.time(), run=self._run))
            except LineageError as error:
                self._refused(error)

    def _refused(self, error: LineageError) -> None:
        self._store = None
        self._console.print(
            f"not registered in the lineage of {self._chain}: {error}; lineage.chain=NAME makes it a chain of its own",
            soft_wrap=True,
            markup=False,
        )
