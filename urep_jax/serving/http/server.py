"""Serves a backend over HTTP until it is told to stop."""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator, Sequence

import uvicorn

from urep_jax.serving.http.app import Service
from urep_jax.serving.http.backend import Backend
from urep_jax.serving.http.connections import impatient
from urep_jax.serving.http.limits import Limits
from urep_jax.serving.http.token import Door

PORT = 8077
_STOPPING = (signal.SIGINT, signal.SIGTERM)


def listen(host: str = "127.0.0.1", port: int = PORT) -> socket.socket:
    """A socket that listens, for `serve`: whoever connects waits until it serves.

    Args:
        host: an address of this machine, or a name of one.
        port: 0 takes a free one; `url` tells which.

    Raises:
        OSError: if the port is taken, or the host is none of this machine's.
    """
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=2048)


def url(listening: socket.socket) -> str:
    """Where a listening socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    backend: Backend,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    *,
    hosts: Sequence[str] | None = None,
    limits: Limits | None = None,
    patience: int = 10,
    listening: socket.socket | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM comes, then finish what is under way, and return.

    In the main thread only; `serving` is for others. Access isn't logged: paths name users.

    Args:
        backend: that is asked.
        host: the address to listen on; one that others reach needs a token.
        port: to listen on.
        token: that requests must bear.
        hosts: that the Host header may name, see `Door`.
        limits: what is put up with.
        patience: seconds for what is under way when told to stop; what takes longer is cut off.
        listening: a socket of `listen`'s in place of host and port.

    Raises:
        ValueError: if others could come in without a token.
        OSError: if the port is taken.
    """
    with contextlib.ExitStack() as stack:
        if listening is None:
            # Nobody may come in for a moment only because it is checked later.
            Door(host, token, hosts)
            listening = stack.enter_context(listen(host, port))
        server = _server(backend, listening, token, hosts, limits, patience)
        # uvicorn raises the signal again once it is done, so that the program ends: what follows here isn't done then.
        for one in _STOPPING:
            stack.callback(signal.signal, one, signal.signal(one, lambda *_: None))
        server.run([listening])


@contextlib.contextmanager
def serving(
    backend: Backend,
    host: str = "127.0.0.1",
    port: int = 0,
    token: str | None = None,
    *,
    hosts: Sequence[str] | None = None,
    limits: Limits | None = None,
    patience: int = 10,
) -> Iterator[str]:
    """Serve in a thread for as long as the block runs: for tests and notebooks.

    Args:
        backend: as in `serve`, as are the others.
        port: 0 takes a free one.

    Yields:
        Where it is reached, such as `http://127.0.0.1:40123`.
    """
    Door(host, token, hosts)
    with listen(host, port) as listening:
        server = _server(backend, listening, token, hosts, limits, patience)
        thread = threading.Thread(target=server.run, args=([listening],), name="http")
        thread.start()
        try:
            yield url(listening)
        finally:
            server.should_exit = True
            thread.join()


def _server(
    backend: Backend,
    listening: socket.socket,
    token: str | None,
    hosts: Sequence[str] | None,
    limits: Limits | None,
    patience: int,
) -> uvicorn.Server:
    if listening.family not in (socket.AF_INET, socket.AF_INET6):
        raise ValueError(f"listening is a socket of {listening.family!r}, but must be one of an internet address")
    limits = limits if limits is not None else Limits()
    # What counts is where the socket really listens, whatever was said.
    service = Service(backend, host=listening.getsockname()[0], token=token, hosts=hosts, limits=limits)
    return uvicorn.Server(
        uvicorn.Config(
            service,
            http=impatient(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            # An address that a header tells is anyone's choice: the rate would be no limit.
            proxy_headers=False,
            server_header=False,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=patience,
        )
    )
