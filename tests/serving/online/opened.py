"""Both sets of parts by a text, so that other processes can open them too, and what such processes do."""

import json
import sys
import threading
from pathlib import Path
from typing import NamedTuple

from urep_jax.serving.online.parts import Message, Store, Stream
from urep_jax.serving.online.redis_store import RedisStore
from urep_jax.serving.online.redis_stream import RedisStream
from urep_jax.serving.online.sqlite_store import SqliteStore
from urep_jax.serving.online.sqlite_stream import SqliteStream


class Place(NamedTuple):
    """Where parts are kept.

    Attributes:
        kind: `sqlite` or `redis`.
        at: a folder, or an URL.
        prefix: of the keys in Redis.
    """

    kind: str
    at: str
    prefix: str = "urep"

    def stream(self, partitions: int = 4) -> Stream:
        if self.kind == "sqlite":
            return SqliteStream(Path(self.at), partitions)
        return RedisStream(self.at, partitions, prefix=self.prefix)

    def store(self) -> Store:
        return SqliteStore(Path(self.at)) if self.kind == "sqlite" else RedisStore(self.at, prefix=self.prefix)


def append(stream: Stream) -> None:
    """Append posts of 1 to 7 messages for ever; tell of each once it is accepted."""
    number = 0
    for post in range(10**9):
        size = post % 7 + 1
        messages = [Message(f"user {one % 5}", str(one).encode()) for one in range(number, number + size)]
        number += size
        stream.append(messages, 0.0)
        print(number, flush=True)


def take(stream: Stream) -> None:
    """Take messages for ever, and tell of each; finish none."""
    while True:
        for delivery in stream.take(5, 1.0):
            print(delivery.message.body.decode(), flush=True)


def work(stream: Stream) -> None:
    """Take messages and finish them, telling which, until the standard input ends."""
    over = threading.Event()

    def listen() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    while not over.is_set():
        deliveries = stream.take(5, 0.2)
        for delivery in deliveries:
            print(delivery.message.body.decode(), flush=True)
        stream.done(deliveries)
    stream.close()


if __name__ == "__main__":
    {"append": append, "take": take, "work": work}[sys.argv[1]](Place(*json.loads(sys.argv[2])).stream())
