"""`RedisStream`: messages in a Redis server, between services and workers on any number of machines.

A partition is a Redis stream; what is in it is what isn't done. Who reads it is settled by a script in the server: a
worker that has been heard of lately has its share of the partitions, and nobody reads another's. So consumer groups
would add nothing: their pending entries are what a partition's one reader has read, and is still there.
"""

import contextlib
import math
import os
import socket
import struct
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from urep_jax.serving.online.partitions import check_partitions, partition_of
from urep_jax.serving.online.parts import Claim, Dead, Delivery, Lag, Message, StoreAway
from urep_jax.serving.online.redis_server import Server
from urep_jax.serving.online.traces import in_texts

_LEASE_MS = 3000
"""How long a worker counts as living that isn't heard of; by the server's clock."""

_SETTLE = 0.25
"""Seconds between two looks at who lives."""

_PORTION = 1000

# Workers by name, with when each is taken for dead, and the owner of each partition. Ours are those p for which
# p mod the number of living workers is our place among them. One that is busy is kept until it is not.
_SETTLE_SCRIPT = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local workers = redis.call('ZRANGE', KEYS[1], 0, -1)
table.sort(workers)
local living, rank = {}, 0
for place, worker in ipairs(workers) do
  living[worker] = true
  if worker == ARGV[1] then rank = place - 1 end
end
local busy = {}
for place = 4, #ARGV do busy[ARGV[place]] = true end
local owned = {}
for partition = 0, ARGV[3] - 1 do
  local name = tostring(partition)
  local owner = redis.call('HGET', KEYS[2], name)
  local wanted = partition % #workers == rank
  if owner == ARGV[1] and not wanted and not busy[name] then
    redis.call('HDEL', KEYS[2], name)
  elseif wanted and not (owner and living[owner]) then
    redis.call('HSET', KEYS[2], name, ARGV[1])
    owner = ARGV[1]
  end
  if owner == ARGV[1] and (wanted or busy[name]) then owned[#owned + 1] = partition end
end
return owned
"""

_BEAT_SCRIPT = """
local now = redis.call('TIME')
return redis.call('ZADD', KEYS[1], 'XX', now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[2], ARGV[1])
"""

_LEAVE_SCRIPT = """
redis.call('ZREM', KEYS[1], ARGV[1])
local owners = redis.call('HGETALL', KEYS[2])
for place = 1, #owners, 2 do
  if owners[place + 1] == ARGV[1] then redis.call('HDEL', KEYS[2], owners[place]) end
end
"""

# What was forgotten or done meanwhile isn't brought back.
_BURY_SCRIPT = """
for place = 1, #ARGV, 2 do
  local key = KEYS[1 + (place + 1) / 2]
  local found = redis.call('XRANGE', key, ARGV[place], ARGV[place])
  if found[1] then
    local fields = found[1][2]
    fields[#fields + 1] = 'reason'
    fields[#fields + 1] = ARGV[place + 1]
    redis.call('XADD', KEYS[1], '*', unpack(fields))
    redis.call('XDEL', key, ARGV[place])
  end
end
"""


class RedisStream:
    """Messages in Redis; workers share the partitions evenly, however many there are.

    A worker that dies is taken for dead three seconds later. One that stands still for longer than that loses its
    partitions too, and what it had taken is delivered to another. It finds out with its next addition, which is
    refused by its `claim`; so nothing is lost, and what was forgotten meanwhile doesn't come back.

    Attributes:
        partitions: how many there are.
        claim: whose partitions are this worker's, as the server knows it.
    """

    claim: Claim | None

    def __init__(self, url: str, partitions: int = 16, *, prefix: str = "urep", durable: bool = True) -> None:
        """Connect; see `Server`.

        Args:
            url: of the server.
            partitions: at most so many workers have something to do. It stays as it was when the stream was made.
            prefix: what all keys begin with.
            durable: whether to refuse a server that can lose what it has accepted.

        Raises:
            StoreAway: if the server doesn't answer.
            ValueError: if it is not set up to keep what it accepts, or the stream was made with another number of
                partitions.
        """
        check_partitions(partitions)
        self.partitions = partitions
        self._server = Server(url, prefix, durable)
        key = self._server.key
        self._streams = [key("stream", partition) for partition in range(partitions)]
        self._dead, self._workers, self._owners = key("dead"), key("workers"), key("owners")
        with self._server.asked() as redis:
            redis.setnx(key("partitions"), partitions)
            made_with = int(redis.get(key("partitions")))
        if made_with != partitions:
            self._server.close()
            raise ValueError(
                f"partitions is {partitions}, but the stream was made with {made_with}; open it with "
                f"partitions={made_with}, or a new one with another prefix"
            )
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex}"
        self.claim = Claim(self._name, partitions)
        self._taking = threading.Lock()
        self._beating: threading.Thread | None = None
        self._closed = threading.Event()
        self._settled = -math.inf
        self._taken: dict[int, bytes] = {}  # By partition of ours: the entry up to which it was taken.
        self._busy: defaultdict[int, set[str]] = defaultdict(set)  # By partition: entries that are not done.

    def append(self, messages: Sequence[Message], accepted_at: float) -> None:
        """See `Stream.append`.

        Raises:
            StoreAway: if the server doesn't answer; whether the messages were accepted isn't known.
            StoreFull: if there is no room; nothing was accepted.
        """
        if not messages:
            return
        with self._server.asked() as redis, redis.pipeline(transaction=True) as together:
            for user_id, body in messages:
                fields = {"user": user_id.encode(), "body": body, "at": struct.pack("<d", accepted_at)}
                together.xadd(self._streams[partition_of(user_id, self.partitions)], fields)
            together.execute()

    def take(self, most: int, wait: float) -> list[Delivery]:
        """See `Stream.take`.

        Raises:
            StoreAway: if the server doesn't answer.
        """
        until = time.monotonic() + wait
        with self._taking, self._server.asked() as redis:
            while True:
                self._settle(redis)
                left = until - time.monotonic()
                # It is asked at least once, and wakes in time to look who lives.
                found = self._next(redis, most, max(0.0, min(left, _SETTLE)))
                if found or left <= 0 or self._closed.is_set():
                    return found

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """See `Stream.done`."""
        if not deliveries:
            return
        by_partition: defaultdict[int, list[str]] = defaultdict(list)
        for delivery in deliveries:
            by_partition[_partition(delivery)].append(_entry(delivery))
        with self._server.asked() as redis, redis.pipeline(transaction=False) as together:
            for partition, entries in by_partition.items():
                together.xdel(self._streams[partition], *entries)
            together.execute()
        self._finish(deliveries)

    def bury(self, dead: Sequence[tuple[Delivery, str]]) -> None:
        """See `Stream.bury`."""
        if not dead:
            return
        keys = [self._dead, *(self._streams[_partition(delivery)] for delivery, _ in dead)]
        arguments = [part for delivery, reason in dead for part in (_entry(delivery), reason)]
        with self._server.asked() as redis:
            redis.eval(_BURY_SCRIPT, len(keys), *keys, *arguments)
        self._finish([delivery for delivery, _ in dead])

    def dead(self, most: int) -> list[Dead]:
        """See `Stream.dead`."""
        with self._server.asked() as redis:
            found = redis.xrevrange(self._dead, count=most)
        return [Dead(_message(fields), fields[b"reason"].decode(), _accepted_at(fields)) for _, fields in found]

    def lag(self) -> Lag:
        """See `Stream.lag`."""
        with self._server.asked() as redis, redis.pipeline(transaction=False) as together:
            for key in self._streams:
                together.xlen(key)
                together.xrange(key, count=1)
            together.xlen(self._dead)
            *found, dead = together.execute()
        oldest = min((_accepted_at(fields) for first in found[1::2] for _, fields in first), default=None)
        return Lag(sum(found[::2]), oldest, dead)

    def forget(self, user_id: str) -> int:
        """See `Stream.forget`; the server's append-only file has old commands until it is next written anew."""
        forgotten, last = 0, b"-"
        user, texts = user_id.encode(), in_texts(user_id)
        with self._server.asked() as redis:
            while found := redis.xrange(self._dead, min=last, count=_PORTION):
                theirs = [
                    entry
                    for entry, fields in found
                    if fields[b"user"] == user or any(text in fields[b"body"] for text in texts)
                ]
                forgotten += redis.xdel(self._dead, *theirs) if theirs else 0
                last = b"(" + found[-1][0]
        return forgotten

    def scrub(self) -> bool:
        """See `Stream.scrub`: what a server removes is removed."""
        return True

    def write_anew(self) -> bool:
        """See `Stream.write_anew`: a server writes its file anew when it has grown; `BGREWRITEAOF` makes it do so."""
        return False

    def close(self) -> None:
        """See `Stream.close`."""
        if self._closed.is_set():
            return
        self._closed.set()
        with self._taking:
            if self._beating is not None:
                self._beating.join()
                with contextlib.suppress(StoreAway), self._server.asked() as redis:
                    redis.eval(_LEAVE_SCRIPT, 2, self._workers, self._owners, self._name)
            self._server.close()

    def _settle(self, redis: Any) -> None:
        now = time.monotonic()
        if now - self._settled < _SETTLE:
            return
        busy = [partition for partition, entries in self._busy.items() if entries]
        owned = redis.eval(
            _SETTLE_SCRIPT, 2, self._workers, self._owners, self._name, _LEASE_MS, self.partitions, *busy
        )
        self._settled = now
        # A partition that is new here begins anew: with what whoever had it didn't finish.
        self._taken = {partition: self._taken.get(partition, b"0") for partition in owned}
        for partition in self._busy.keys() - set(owned):
            del self._busy[partition]
        if self._beating is None:
            self._beating = threading.Thread(target=self._beat, name="urep-worker-lives", daemon=True)
            self._beating.start()

    def _beat(self) -> None:
        """Say that this worker lives, also while it computes for long."""
        while not self._closed.wait(_LEASE_MS / 4000):
            with contextlib.suppress(StoreAway), self._server.asked() as redis:
                redis.eval(_BEAT_SCRIPT, 1, self._workers, self._name, _LEASE_MS)

    def _next(self, redis: Any, most: int, wait: float) -> list[Delivery]:
        if not self._taken:
            self._closed.wait(wait)
            return []
        asked = list(self._taken)
        deliveries: list[Delivery] = []
        while asked and len(deliveries) < most:
            count = math.ceil((most - len(deliveries)) / len(asked))
            blocking = {} if deliveries or wait < 0.001 else {"block": int(wait * 1000)}
            places = {self._streams[partition]: self._taken[partition] for partition in asked}
            partitions = {self._streams[partition].encode(): partition for partition in asked}
            asked = []
            for key, entries in redis.xread(places, count=count, **blocking):
                partition = partitions[key]
                # What is beyond `most` by rounding is read again the next time.
                for entry, fields in entries[: most - len(deliveries)]:
                    place = f"{partition}:{entry.decode()}"
                    deliveries.append(Delivery(place, _message(fields), _accepted_at(fields)))
                    self._taken[partition] = entry
                    self._busy[partition].add(entry.decode())
                if len(entries) == count:
                    asked.append(partition)
        return sorted(deliveries, key=_moment)

    def _finish(self, deliveries: Sequence[Delivery]) -> None:
        # Not under the lock: `take` holds it while it waits.
        for delivery in deliveries:
            self._busy.get(_partition(delivery), set()).discard(_entry(delivery))


def _partition(delivery: Delivery) -> int:
    return int(delivery.place.partition(":")[0])


def _entry(delivery: Delivery) -> str:
    return delivery.place.partition(":")[2]


def _moment(delivery: Delivery) -> tuple[int, ...]:
    return tuple(map(int, _entry(delivery).split("-")))


def _message(fields: dict[bytes, bytes]) -> Message:
    return Message(fields[b"user"].decode(), fields[b"body"])


def _accepted_at(fields: dict[bytes, bytes]) -> float:
    return float(struct.unpack("<d", fields[b"at"])[0])
