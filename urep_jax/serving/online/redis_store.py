"""`RedisStore`: what is known of users, and their vectors, in a Redis server."""

import secrets
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from urep_jax.serving.online import redis_scripts as scripts
from urep_jax.serving.online.partitions import partition_of
from urep_jax.serving.online.parts import Addition, Claim, StoreAway, StoredVector, UserState
from urep_jax.serving.online.records import packed, union, wasteful
from urep_jax.serving.online.redis_server import Server
from urep_jax.serving.online.traces import in_texts, mark_of

_HEAD = struct.Struct("<qqqd")
"""Before a vector's numbers: as_of, revision, events, computed_at."""

_PORTION = 1000

_OWN_WORDS = (b"revision", b"revisions", b"partitions", b"owners", b"notes")
"""Keys with numbers and words of our own in them, which somebody's id may equal."""


class RedisStore:
    """What is known of users in Redis, for any number of processes and machines.

    A user's records are one string that additions are appended to; it is written anew where much is there twice.
    """

    def __init__(self, url: str, *, prefix: str = "urep", durable: bool = True) -> None:
        """Connect; see `Server`.

        Args:
            url: of the server.
            prefix: what all keys begin with.
            durable: whether to refuse a server that can lose what it has accepted.

        Raises:
            StoreAway: if the server doesn't answer.
            ValueError: if it is not set up to keep what it accepts.
        """
        self._server = Server(url, prefix, durable)
        key = self._server.key
        self._users, self._spaces, self._notes = key("users"), key("spaces"), key("notes")
        self._owners, self._revisions, self._forgotten = key("owners"), key("revisions"), key("forgotten")
        with self._server.asked() as redis:
            redis.setnx(key("secret"), secrets.token_bytes(32))
            self._secret: bytes = redis.get(key("secret"))

    def add(self, additions: Sequence[Addition], claim: Claim | None = None) -> list[UserState]:
        """See `Store.add`.

        Raises:
            StoreAway: if the server doesn't answer, and whether anything was added isn't known; or if the claim is
                lost, and nothing was added.
            StoreFull: if there is no room; nothing was added.
            ValueError: if records are not of `RECORD`.
        """
        script = self._adding(additions, claim, again=True)
        with self._server.asked() as redis:
            # A server without room refuses transactions, even those that only read.
            with redis.pipeline(transaction=bool(script)) as together:
                if script:
                    together.eval(*script)
                for user_id, _, _ in additions:
                    records_key, facts_key, revision_key = self._of(user_id)
                    # The revision first: what is read then knows at least as much as it says.
                    together.hget(revision_key, "now")
                    together.get(records_key)
                    together.smembers(facts_key)
                found = together.execute()
            if script:
                _refuse_lost(found.pop(0))
            states = []
            for place, addition in enumerate(additions):
                revision, records, facts = found[3 * place : 3 * place + 3]
                state = UserState(union([records or b""]), tuple(sorted(facts)), int(revision or 0))
                if wasteful(len(records or b"") // state.records.itemsize, len(state.records)):
                    self._replace(redis, addition.user_id, state.revision, state.records, None)
                states.append(state)
        return states

    def load(self, additions: Sequence[Addition]) -> int:
        """See `Store.load`.

        Raises:
            StoreAway: if the server doesn't answer; whether anything was added isn't known.
            StoreFull: if there is no room; nothing was added.
            ValueError: if records are not of `RECORD`.
        """
        script = self._adding(additions, None, again=False)
        if not script:
            return 0
        with self._server.asked() as redis:
            return int(redis.eval(*script))

    def vectors(self, user_ids: Sequence[str], space_id: str) -> list[StoredVector | None]:
        """See `Store.vectors`."""
        if not user_ids:
            return []
        with self._server.asked() as redis:
            found = redis.hmget(self._space(space_id), [one.encode() for one in user_ids])
        return [
            None if kept is None else _vector(user_id, space_id, kept)
            for user_id, kept in zip(user_ids, found, strict=True)
        ]

    def write(self, vectors: Sequence[StoredVector]) -> int:
        """See `Store.write`.

        Raises:
            StoreAway: if the server doesn't answer; whether anything was stored isn't known.
            StoreFull: if there is no room; nothing was stored.
        """
        if not vectors:
            return 0
        keys, arguments = [self._spaces, self._forgotten], []
        for one in vectors:
            keys += [self._space(one.space_id), self._of(one.user_id)[2]]
            mark = mark_of(one.user_id, self._secret)
            arguments += [one.space_id.encode(), one.user_id.encode(), mark, _packed(one)]
        with self._server.asked() as redis:
            return int(redis.eval(scripts.WRITE, len(keys), *keys, *arguments))

    def users(self, after: str = "", most: int = 1024) -> list[str]:
        """See `Store.users`; who only has a vector isn't one of them."""
        first = b"(" + after.encode() if after else b"-"
        with self._server.asked() as redis:
            found = redis.zrangebylex(self._users, first, b"+", start=0, num=most)
        return [one.decode() for one in found]

    def scan(self, space_id: str, portion: int = 4096) -> Iterator[list[StoredVector]]:
        """See `Store.scan`; a vector that is written meanwhile may be the old or the new one."""
        seen: set[bytes] = set()  # The server may name one twice while its table grows.
        cursor, read = 0, []
        while True:
            with self._server.asked() as redis:
                cursor, found = redis.hscan(self._space(space_id), cursor, count=portion)
            read += [_vector(user.decode(), space_id, kept) for user, kept in found.items() if user not in seen]
            seen.update(found)
            while len(read) >= portion or (read and not cursor):
                yield read[:portion]
                read = read[portion:]
            if not cursor:
                return

    def known(self) -> int:
        """See `Store.known`."""
        with self._server.asked() as redis:
            return int(redis.zcard(self._users))

    def count(self, space_id: str) -> int:
        """See `Store.count`."""
        with self._server.asked() as redis:
            return int(redis.hlen(self._space(space_id)))

    def drop(self, space_id: str) -> int:
        """See `Store.drop`."""
        with self._server.asked() as redis, redis.pipeline(transaction=False) as together:
            together.hlen(self._space(space_id))
            together.unlink(self._space(space_id))
            together.srem(self._spaces, space_id.encode())
            return int(together.execute()[0])

    def trim(self, before: Mapping[str, int], claim: Claim | None = None) -> int:
        """See `Store.trim`; what was known is another state then, so its revision grows.

        Raises:
            StoreAway: if the server doesn't answer, or the claim is lost; whose records were removed isn't known.
            StoreFull: if there is no room to write anew what is kept; whose records were removed isn't known.
        """
        removed, left = 0, list(before)
        while left:
            states = self.add([Addition(user_id, union([])) for user_id in left])
            trimmed = []
            with self._server.asked() as redis, redis.pipeline(transaction=False) as together:
                for user_id, state in zip(left, states, strict=True):
                    kept = state.records[state.records["time"] >= before[user_id]]
                    if len(kept) < len(state.records):
                        self._replace(together, user_id, state.revision, kept, claim, trimmed=True)
                        trimmed.append((user_id, len(state.records) - len(kept)))
                done = together.execute()
            for told in done:
                _refuse_lost(told)
            removed += sum(count for (_, count), good in zip(trimmed, done, strict=True) if good)
            # To whom something was added meanwhile is looked at again.
            left = [user_id for (user_id, _), good in zip(trimmed, done, strict=True) if not good]
        return removed

    def forget(self, user_id: str, claim: Claim | None = None) -> bool:
        """See `Store.forget`; the server's append-only file has old commands until it is next written anew.

        Raises:
            StoreAway: if the server doesn't answer, or the claim is lost.
        """
        keys = [self._owners, self._users, self._spaces, self._forgotten, *self._of(user_id)]
        mark = mark_of(user_id, self._secret)
        with self._server.asked() as redis:
            found = redis.eval(
                scripts.FORGET, len(keys), *keys, *_shown(claim, [user_id]), user_id.encode(), mark, self._space("")
            )
        _refuse_lost(found)
        return bool(found)

    def scrub(self) -> bool:
        """See `Store.scrub`: what a server removes is removed."""
        return True

    def write_anew(self) -> bool:
        """See `Store.write_anew`: a server writes its file anew when it has grown; `BGREWRITEAOF` makes it do so."""
        return False

    def holds(self, user_id: str) -> bool:
        """See `Store.holds`: in all keys that begin with the prefix, the stream's too, and in their values."""
        user, texts = user_id.encode(), in_texts(user_id)

        def found_in(values: Sequence[bytes], whole: bool) -> bool:
            return any((whole and value == user) or any(text in value for text in texts) for value in values)

        with self._server.asked() as redis:
            begin = self._server.key("").encode()
            for key in redis.scan_iter(match=_literal(self._server.prefix) + ":*", count=_PORTION):
                kind, _, of = key.removeprefix(begin).partition(b":")
                if of == user and kind in (b"records", b"facts", b"revision"):
                    return True
                if any(found_in(values, kind not in _OWN_WORDS) for values in _contents(redis, key)):
                    return True
        return False

    def note(self, name: str, value: str | None = None) -> str | None:
        """See `Store.note`."""
        with self._server.asked() as redis:
            if value is not None:
                if value:
                    redis.hset(self._notes, name.encode(), value.encode())
                else:
                    redis.hdel(self._notes, name.encode())
                return value
            found = redis.hget(self._notes, name.encode())
        return None if found is None else found.decode()

    def notes(self, begin: str) -> dict[str, str]:
        """See `Store.notes`."""
        with self._server.asked() as redis:
            found = dict(redis.hscan_iter(self._notes, match=_literal(begin) + "*", count=_PORTION))
        return {name.decode(): value.decode() for name, value in found.items()}

    def close(self) -> None:
        """See `Store.close`."""
        self._server.close()

    def _of(self, user_id: str) -> tuple[str, str, str]:
        """The keys of a user's records, facts and revision."""
        key = self._server.key
        return key("records", user_id), key("facts", user_id), key("revision", user_id)

    def _space(self, space_id: str) -> str:
        return self._server.key("vectors", space_id)

    def _adding(self, additions: Sequence[Addition], claim: Claim | None, *, again: bool) -> list[Any]:
        """What is evaluated to add; nothing if all of them only read."""
        keys, arguments = [self._owners, self._revisions, self._forgotten, self._users], []
        for user_id, records, facts in additions:
            if len(new := packed(records)) or facts:
                keys += self._of(user_id)
                arguments += [user_id.encode(), mark_of(user_id, self._secret), new, len(facts), *facts]
        if not arguments:
            return []
        shown = _shown(claim, [one.user_id for one in additions])
        return [scripts.ADD, len(keys), *keys, *shown, int(again), *arguments]

    def _replace(
        self,
        redis: Any,
        user_id: str,
        revision: int,
        records: np.ndarray,
        claim: Claim | None,
        *,
        trimmed: bool = False,
    ) -> None:
        """Write a user's records anew, if they are still those of a revision; a pipeline tells 1 then, and else 0."""
        records_key, _, revision_key = self._of(user_id)
        keys = (self._owners, self._revisions, records_key, revision_key)
        shown = _shown(claim, [user_id])
        redis.eval(scripts.REPLACE, len(keys), *keys, *shown, revision, packed(records), int(trimmed))


def _shown(claim: Claim | None, user_ids: Sequence[str]) -> tuple[str, str]:
    """A claim as scripts read it: the worker, and the partitions of users."""
    if claim is None:
        return "", ""
    return claim.worker, ",".join({str(partition_of(one, claim.partitions)) for one in user_ids})


def _refuse_lost(told: int) -> None:
    if told == -1:
        raise StoreAway(
            "this worker stood still for so long that others took its partitions, so it changes nothing; begin anew"
        )


def _contents(redis: Any, key: bytes) -> Iterator[Sequence[bytes]]:
    """All that a key has, in portions."""
    match redis.type(key):
        case b"string":
            yield [redis.get(key) or b""]
        case b"hash":
            yield from redis.hscan_iter(key, count=_PORTION)
        case b"set":
            for member in redis.sscan_iter(key, count=_PORTION):
                yield [member]
        case b"zset":
            for member, _ in redis.zscan_iter(key, count=_PORTION):
                yield [member]
        case b"stream":
            last = b"-"
            while found := redis.xrange(key, min=last, count=_PORTION):
                yield [value for _, fields in found for value in fields.values()]
                last = b"(" + found[-1][0]


def _literal(text: str) -> str:
    """A text as a pattern that only it matches."""
    return "".join("\\" + letter if letter in "*?[]^\\" else letter for letter in text)


def _packed(vector: StoredVector) -> bytes:
    head = _HEAD.pack(int(vector.as_of), int(vector.revision), int(vector.events), vector.computed_at)
    return head + np.asarray(vector.values, "<f4").tobytes()


def _vector(user_id: str, space_id: str, kept: bytes) -> StoredVector:
    as_of, revision, events, computed_at = _HEAD.unpack_from(kept)
    values = np.frombuffer(kept, "<f4", offset=_HEAD.size)
    return StoredVector(user_id, space_id, as_of, revision, events, computed_at, values)
