"""`Server`: a Redis server that keeps what it accepts, and says so if it can't."""

import contextlib
import errno
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from urep_jax.serving.online.parts import StoreAway, StoreFull

_CONNECT = 1.0
_ANSWER = 2.0
"""Seconds to wait for a connection, and for an answer."""

_NEEDED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


class Server:
    """A client of Redis, whose errors are `StoreAway` and `StoreFull`.

    Attributes:
        redis: the client, for any number of threads.
        prefix: what all keys begin with.
    """

    def __init__(self, url: str, prefix: str, durable: bool) -> None:
        """Connect.

        Args:
            url: such as `redis://localhost:6379/0`, `rediss://` with TLS, or `unix:///run/redis.sock`.
            prefix: what all keys begin with: one for each deployment that shares the server.
            durable: whether to refuse a server that can lose what it has accepted.

        Raises:
            ModuleNotFoundError: without the extra `redis`.
            StoreAway: if the server doesn't answer.
            ValueError: if it is not set up to keep what it accepts.
        """
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "a Redis server is asked for, but its client is not installed; pip install 'urep_jax[redis]'"
            ) from error
        self.prefix = prefix
        place = urlsplit(url)  # What errors tell; never the password.
        self._told = f"{place.hostname}:{place.port or 6379}" if place.hostname else place.path
        # One try more, for a connection that lay idle while the server started anew; not after waiting in vain.
        retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
        self.redis = redis.Redis.from_url(
            url, socket_connect_timeout=_CONNECT, socket_timeout=_ANSWER, retry=retry, protocol=2
        )
        if durable:
            self._check()

    def key(self, *parts: str | int) -> str:
        """A key of ours."""
        return ":".join((self.prefix, *map(str, parts)))

    @contextlib.contextmanager
    def asked(self) -> Iterator[Any]:
        """The client, for a few commands.

        Raises:
            StoreAway: if the server doesn't answer.
            StoreFull: if it has no room.
        """
        import redis

        try:
            yield self.redis
        except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError) as error:
            raise StoreAway(
                f"Redis at {self._told} doesn't answer ({error}); see that it runs and can be reached, then ask again"
            ) from error
        except redis.ResponseError as error:
            if not any(word in str(error) for word in ("OOM", "MISCONF", "used memory")):
                raise
            told = f"Redis at {self._told} has no room ({error}), nothing was kept; give it more and ask again"
            raise StoreFull(errno.ENOSPC, told) from error

    def close(self) -> None:
        """Let go of the connections."""
        self.redis.close()

    def _check(self) -> None:
        import redis

        try:
            with self.asked() as client:
                found = {name: client.config_get(name).get(name, "") for name in _NEEDED}
        except redis.ResponseError as error:
            self.close()
            raise ValueError(
                f"Redis at {self._told} doesn't tell how it is set up ({error}); allow CONFIG GET, or, if you know "
                "that it keeps what it accepts, open it with durable=False"
            ) from error
        except StoreAway:
            self.close()
            raise
        wrong = {name: value for name, value in found.items() if value != _NEEDED[name]}
        if wrong:
            self.close()
            told = ", ".join(f"{name} is {value!r}" for name, value in wrong.items())
            lines = "; ".join(f"{name} {_NEEDED[name]}" for name in wrong)
            commands = "; ".join(f"CONFIG SET {name} {_NEEDED[name]}" for name in wrong)
            raise ValueError(
                f"Redis at {self._told} can lose what it has accepted: {told}; write these lines into redis.conf: "
                f"{lines} (or, until it starts anew: {commands}), or open it with durable=False"
            )
