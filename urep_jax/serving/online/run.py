"""Everything at once: workers in processes of their own, and the HTTP face in this one, until it is told to stop."""

import contextlib
import logging
import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from multiprocessing.process import BaseProcess

from urep_jax.lineage.errors import LineageError
from urep_jax.serving.http.limits import Limits
from urep_jax.serving.http.server import PORT, listen, serve, url
from urep_jax.serving.http.token import Door
from urep_jax.serving.online.backend import OnlineBackend
from urep_jax.serving.online.deployment import Deployment
from urep_jax.serving.online.parts import StoreAway, StoreFull
from urep_jax.serving.online.work import work
from urep_jax.serving.online.worker import WorkerConfig

_LOOK = 0.5
"""Seconds between looks at the workers and the lineage."""

_LONGEST = 8.0
"""Seconds at most before a worker is started again: twice as long each time, until one has lived."""

_LIVED = 15.0
"""Seconds after which a worker has lived: what ends it then is nothing that it met as it began."""

_log = logging.getLogger(__name__)


def run(
    deployment: Deployment,
    cfg: WorkerConfig,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    hosts: Sequence[str] | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve until SIGINT or SIGTERM comes. A worker that dies is started again, one that can't live ever later.

    Args:
        deployment: what is served.
        cfg: how workers go about it.
        host: address to listen on; one that others reach needs a token.
        port: to listen on.
        token: that requests must bear.
        hosts: that the Host header may name, see `Door`.
        limits: what is put up with.
        tell: is told what a person wants to know.

    Raises:
        ValueError: if others could come in without a token.
        OSError: if the port is taken.
    """
    Door(host, token, hosts)
    deployment.use_compiled()
    with (
        listen(host, port) as listening,
        contextlib.closing(OnlineBackend(deployment)) as backend,
        _workers(deployment, cfg, tell),
        _following(backend, tell),
    ):
        tell(f"{url(listening)} (Ctrl-C stops it)")
        serve(backend, token=token, hosts=hosts, limits=limits, listening=listening)


@contextlib.contextmanager
def _workers(deployment: Deployment, cfg: WorkerConfig, tell: Callable[[str], None]) -> Iterator[None]:
    """Workers, for as long as the block runs."""
    # A fork would take threads and locks of this process along.
    context = multiprocessing.get_context("spawn")
    over = threading.Event()

    def start(number: int) -> BaseProcess:
        process = context.Process(target=_worker, args=(deployment, number, cfg), name=f"worker {number}", daemon=True)
        process.start()
        return process

    def watch() -> None:
        while not over.wait(_LOOK):
            for one in kept:
                try:
                    one.look(tell)
                except Exception as error:
                    _log.error("a worker could not be started:\n%s", _where(error))

    kept = [_Kept(partial(start, number)) for number in range(deployment.workers)]
    watching = threading.Thread(target=watch, name="workers", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
        for one in kept:
            one.process.terminate()
        for one in kept:
            one.process.join()


class _Kept:
    """A worker's process, and another one when it ends."""

    def __init__(self, start: Callable[[], BaseProcess]) -> None:
        self._start, self._wait = start, 0.0
        self._again: float | None = None
        self.process, self._since = start(), time.monotonic()

    def look(self, tell: Callable[[str], None]) -> None:
        """Start another one if it has ended, and it is time."""
        now = time.monotonic()
        if self._again is None:
            if self.process.is_alive():
                return
            lived = now - self._since >= _LIVED
            self._wait = 0.0 if lived else min(max(2 * self._wait, _LOOK), _LONGEST)
            self._again = now + self._wait
            when = f"again in {self._wait:g} s" if self._wait else "again"
            tell(f"{self.process.name} ended with status {self.process.exitcode}; it is started {when}")
        if now >= self._again:
            self.process, self._since, self._again = self._start(), now, None


@contextlib.contextmanager
def _following(backend: OnlineBackend, tell: Callable[[str], None]) -> Iterator[None]:
    """Swap models when the lineage has others, for as long as the block runs."""
    over = threading.Event()

    def follow() -> None:
        told = ""
        while not over.wait(_LOOK):
            try:
                if backend.follow():
                    tell(f"serving {backend.models.space_id}")
                told = ""
            except (LineageError, StoreAway, StoreFull, OSError, ValueError) as error:
                # Once, however often it is tried again.
                if str(error) != told:
                    _log.warning("what was served is served on: %s", error)
                told = str(error)
            except Exception as error:
                _log.error("what was served is served on:\n%s", _where(error))

    following = threading.Thread(target=follow, name="lineage", daemon=True)
    following.start()
    try:
        yield
    finally:
        over.set()
        following.join()


def _where(error: Exception) -> str:
    """What kind of an error it was and where it came, without its text: a store may quote what it was given."""
    return "".join((*traceback.format_tb(error.__traceback__), type(error).__name__))


def _worker(deployment: Deployment, number: int, cfg: WorkerConfig) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    # Ctrl-C goes to all processes of a terminal; the one that started this one tells when to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def orphaned() -> None:
        parent.join()
        stop.set()

    threading.Thread(target=orphaned, name="parent", daemon=True).start()
    deployment.use_compiled()
    work(deployment, number, cfg, stop)
