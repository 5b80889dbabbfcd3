"""Everything at once: workers in processes of their own, and the HTTP face in this one, until it is told to stop."""

import contextlib
import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator
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

_log = logging.getLogger(__name__)


def run(
    deployment: Deployment,
    cfg: WorkerConfig,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve until SIGINT or SIGTERM comes. A worker that dies is started again.

    Args:
        deployment: what is served.
        cfg: how workers go about it.
        host: address to listen on; one that others reach needs a token.
        port: to listen on.
        token: that requests must bear.
        limits: what is put up with.
        tell: is told what a person wants to know.

    Raises:
        ValueError: if others could come in without a token.
        OSError: if the port is taken.
    """
    Door(host, token)
    deployment.use_compiled()
    with (
        listen(host, port) as listening,
        contextlib.closing(OnlineBackend(deployment)) as backend,
        _workers(deployment, cfg, tell),
        _following(backend, tell),
    ):
        tell(f"{url(listening)} (Ctrl-C stops it)")
        serve(backend, token=token, limits=limits, listening=listening)


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
            for number, process in enumerate(processes):
                if not process.is_alive():
                    tell(f"worker {number} ended with status {process.exitcode}; it is started again")
                    processes[number] = start(number)

    processes = [start(number) for number in range(deployment.workers)]
    watching = threading.Thread(target=watch, name="workers", daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


@contextlib.contextmanager
def _following(backend: OnlineBackend, tell: Callable[[str], None]) -> Iterator[None]:
    """Swap models when the lineage has others, for as long as the block runs."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(_LOOK):
            try:
                if backend.follow():
                    tell(f"serving {backend.models.space_id}")
            except (LineageError, StoreAway, StoreFull, OSError, ValueError) as error:
                _log.warning("what was served is served on: %s", error)

    following = threading.Thread(target=follow, name="lineage", daemon=True)
    following.start()
    try:
        yield
    finally:
        over.set()
        following.join()


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
