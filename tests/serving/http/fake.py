"""A backend in memory, and a client without a network."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np

from urep_jax.core.spaces import SpaceMismatch
from urep_jax.lineage.errors import Busy
from urep_jax.serving.http.answers import Freshness, Heard, Move, Near, Neighbours, Ranked, Ranking, Status, User
from urep_jax.serving.http.app import Service
from urep_jax.serving.http.backend import Found, NotReady, Refused
from urep_jax.serving.online.messages import Profile, Told
from urep_jax.serving.online.parts import Dead, Message, StoreAway, StoredVector, StoreFull

SPACES = {"users": "users-00aa", "audio": "audio-00bb"}
ODD = "a/b ü%2F?#.."
KNOWN = ("ann", "bob", ODD)
ERRORS = {
    "StoreFull": StoreFull("no room in the folder /secret"),
    "StoreAway": StoreAway("host secret is down"),
    "Busy": Busy("another process holds /secret/lineage.sqlite; nothing was changed, try again"),
    "NotReady": NotReady("the index is being built"),
    "SpaceMismatch": SpaceMismatch("can't compare vectors of a-1 and of a-2"),
    "Refused": Refused("modality is 'smell', but must be audio; ask for that"),
    "RuntimeError": RuntimeError("ann heard track-17"),
}


DEAD = (
    Dead(
        Message("ann", b'{"item_id": "secret \xe2\x98\x83"}'), "it can't be read: user_id is missing", 1_700_000_000.5
    ),
    Dead(Message("bob", b"\xff" + b"x" * 5000), "it can't be read: user_id is missing", 1_600_000_000.0),
)


class Fake:
    """Knows `KNOWN` users and the track `t1`; remembers what it was told and in which threads it was called."""

    def __init__(self, width: int = 4) -> None:
        self.width = width
        self.messages: list[Message] = []
        self.forgotten: list[str] = []
        self.backlog = 0
        self.fails: Exception | None = None
        self.why: str | None = None
        self.threads: set[int] = set()
        self.calls: list[int] = []
        self.gate: threading.Event | None = None
        self.asked: tuple[Any, ...] = ()

    def _called(self) -> None:
        self.threads.add(threading.get_ident())
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.fails is not None:
            raise self.fails

    def vectors(self, user_ids: Sequence[str]) -> Found:
        self._called()
        self.calls.append(len(user_ids))
        return Found([self._vector(one) if one in KNOWN else None for one in user_ids], SPACES["users"], SPACES)

    def _vector(self, user_id: str) -> StoredVector:
        values = np.linspace(0, 1, self.width, dtype=np.float32)
        return StoredVector(user_id, SPACES["users"], 1_700_000_000, 3, 5, 1_700_000_000.5, values)

    def check(self, told: Told) -> str | None:
        self._called()
        odd = set(told.categories) - {"country"} if isinstance(told, Profile) else set()
        return f"{min(odd)!r} is no category; country is" if odd else None

    def accept(self, messages: Sequence[Message]) -> None:
        self._called()
        self.calls.append(len(messages))
        self.messages += messages

    def waiting(self) -> int:
        return self.backlog

    def forget(self, user_id: str) -> bool:
        self._called()
        self.forgotten.append(user_id)
        return user_id in KNOWN

    def nearest_users(self, user_id: str, k: int) -> Neighbours | None:
        self._called()
        return Neighbours(SPACES["users"], [Near("bob", 0.5)][:k], SPACES) if user_id in KNOWN else None

    def nearest_tracks(self, item_id: str, modality: str | None, k: int) -> Neighbours | None:
        self._called()
        self.asked = (item_id, modality, k)
        return Neighbours(SPACES["audio"], [Near("t2", 0.5)], SPACES) if item_id == "t1" else None

    def rank(self, user_id: str, item_ids: Sequence[str], station_id: str | None, by: str | None) -> Ranking | None:
        self._called()
        self.asked = (user_id, item_ids, station_id, by)
        ranked = [Ranked(one, None if one == "new" else 1.0) for one in item_ids]
        return Ranking(by or "users", SPACES["users"], ranked, SPACES) if user_id in KNOWN else None

    def user(self, user_id: str) -> User | None:
        self._called()
        if user_id not in KNOWN:
            return None
        heard, moves = [Heard(1, "t1", "up")], [Move(1, 1, None, 1.0)]
        return User(
            user_id, 1, heard, ["abba"], ["sv"], {"country": "SE"}, SPACES["users"], [Near("abba", 0.5)], moves, SPACES
        )

    def lineage(self) -> Mapping[str, Any]:
        self._called()
        return {"space": {"id": SPACES["users"], "parents": []}}

    def dead(self, most: int) -> Sequence[Dead]:
        self._called()
        self.asked = (most,)
        return DEAD

    def ready(self) -> str | None:
        self._called()
        return self.why

    def status(self) -> Status:
        self._called()
        return Status(7, 1_700_000_000.0, 2, Freshness(0.25, 1.5, 100), workers=1, users=3, vectors=2)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


def scope(method: str, path: str, headers: Mapping[str, str], client: str = "127.0.0.1") -> dict[str, Any]:
    """A request as uvicorn tells of it."""
    path, _, query = path.partition("?")
    heads = {"host": "localhost:8077", **headers}
    return {
        "type": "http",
        "method": method,
        "path": "what is decoded can't be trusted",
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in heads.items()],
        "client": (client, 5000),
    }


async def asking(
    app: Service,
    method: str,
    path: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    client: str = "127.0.0.1",
) -> Answer:
    """Ask within an event loop; a body that isn't bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    heads = dict(headers or {})
    if body is not None:
        heads = {"content-type": "application/json", "content-length": str(len(data)), **heads}
    incoming = [{"type": "http.request", "body": data}]
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope(method, path, heads, client), receive, send)
    start, end = sent
    return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, end["body"])


def ask(app: Service, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask in a loop of its own."""
    return asyncio.run(asking(app, method, path, body, headers))


def segment(text: str) -> str:
    """An id as a path has it."""
    return quote(text, safe="")
