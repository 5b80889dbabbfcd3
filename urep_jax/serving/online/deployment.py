"""`Deployment`: where everything lies that a service and its workers share; plain, so that processes can be told."""

import dataclasses
import hashlib
from pathlib import Path

import jax

from urep_jax.lineage.state import Lineage
from urep_jax.lineage.store import LineageStore
from urep_jax.serving.online.parts import Store, Stream
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What belongs together.

    Attributes:
        lineage: file of the workspace's lineage.
        chain: of user representations, that is served.
        recommenders: chain of recommenders; None for none.
        folder: of the embedded parts.
        redis: URL of a server that has the parts instead, which others may share; None takes the embedded ones.
        workers: how many processes encode, at least 1.
        partitions: at most so many of them have something to do.
        compiled: folder of programs that were compiled before; None compiles them anew in each process.

    Raises:
        ValueError: if there are no workers, or more than partitions.
    """

    lineage: Path
    chain: str
    recommenders: str | None
    folder: Path
    redis: str | None = None
    workers: int = 1
    partitions: int = 16
    compiled: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= self.partitions:
            raise ValueError(f"workers is {self.workers}, but must be from 1 to {self.partitions}, one for a partition")

    def open(self) -> tuple[Stream, Store]:
        """Open both parts in this process.

        Raises:
            ImportError: if Redis is asked for without the package `redis`.
            StoreAway: if it doesn't answer.
            LineageError: if it is asked for, and there is no such chain.
        """
        if self.redis is None:
            return SqliteStream(self.folder, self.partitions), SqliteStore(self.folder)
        # An extra: whoever asks for it has it, and nobody else pays for its import.
        from urep_jax.serving.online.redis_store import RedisStore
        from urep_jax.serving.online.redis_stream import RedisStream

        prefix = self._prefix()
        return RedisStream(self.redis, self.partitions, prefix=prefix), RedisStore(self.redis, prefix=prefix)

    def _prefix(self) -> str:
        """What keys begin with: those of another chain, or of a namesake in another workspace, begin otherwise."""
        lineages = self.lineages
        lineages.look(self.chain)
        begun = lineages.history(self.chain)[0]
        return f"urep:{self.chain}:{hashlib.sha256(f'{begun.time} {begun.actor}'.encode()).hexdigest()[:8]}"

    def use_compiled(self) -> None:
        """Let this process keep compiled programs, and take those that are there: it starts faster the next time."""
        if self.compiled is not None:
            jax.config.update("jax_compilation_cache_dir", str(self.compiled))
            # Encoders are small, and compiled in a part of a second.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

    @property
    def lineages(self) -> LineageStore:
        """The workspace's lineage."""
        return LineageStore(self.lineage)

    def look(self) -> tuple[Lineage, Lineage | None]:
        """The state of the chain, and that of the recommenders if there are any.

        Raises:
            LineageError: if there is no such chain.
        """
        store = self.lineages
        state = store.look(self.chain).lineage
        recommenders = None
        if self.recommenders is not None and self.recommenders in store.chains():
            recommenders = store.look(self.recommenders).lineage
        return state, recommenders
