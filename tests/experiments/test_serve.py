"""From the first training to vectors over HTTP, through a rotation under load, as a newcomer types it."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.launch import run
from experiments.lineage import retrain as retraining
from tests.experiments.command import ROOT, Command
from tests.experiments.user_representation.small import SMALL
from urep_jax.serving.restore import restore_encoder
from urep_jax.training.fit import Interrupted

CHAIN = "lineage.chain=served"
PATIENCE = 90.0
NOW = 1_700_000_000
URL = r"(http://127\.0\.0\.1:\d+)"


class Client:
    """Asks one service, on a new connection each time: what lies idle for seconds may be hung up."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        with contextlib.closing(self._connection):
            self._connection.request(method, path, content, {"Content-Type": "application/json", **headers})
            answer = self._connection.getresponse()
            return answer.status, json.loads(answer.read())


class Service:
    """`task=serve` in a process of its own."""

    def __init__(self, workspace: Path) -> None:
        call = [
            sys.executable,
            "-m",
            "experiments.run",
            "task=serve",
            CHAIN,
            f"workspace={workspace}",
            "serving.port=0",
            "serving.hosts=[127.0.0.1,vectors.example.com]",
            "serving.limits.body_bytes=50000",
        ]
        self.process = subprocess.Popen(
            call,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
        )
        self.told: list[str] = []
        self.listening = threading.Thread(target=self._listen, daemon=True)
        self.listening.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.told.extend(lines)

    def until_told(self, pattern: str) -> str:
        """Wait until the service says something, and give its first group."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            assert self.process.poll() is None, "".join(self.told)
            if found := re.search(pattern, "".join(self.told)):
                return found[1]
            time.sleep(0.05)
        raise AssertionError("".join(self.told))

    def children(self) -> list[int]:
        """Processes that it has started."""
        # One that was started again is a child of the thread that has started it.
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for listed in threads for pid in listed.read_text().split()]
        return [pid for pid in pids if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.fixture
def service(workspace: Path) -> Iterator[Any]:
    started: list[Service] = []

    def start() -> Service:
        started.append(Service(workspace))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()
        one.listening.join()


def vector_knowing(ask: Client, user_id: str, events: int) -> dict[str, Any]:
    """The user's vector, as soon as it knows of so many events."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        status, found = ask("GET", f"/v1/users/{user_id}/vector")
        if status == 200 and found["events"] >= events:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{user_id} has no vector that knows of {events} events")


def test_from_the_first_training_to_a_rotation_under_load(
    command: Command, service: Any, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = command(*SMALL, CHAIN, "evaluation.tasks=[future_listening]", "evaluation.beside=[]")
    assert trained.status == 0, trained.err
    assert "not registered" not in trained.out
    status = command("task=lineage", CHAIN)
    assert status.status == 0, status.err
    assert re.search(r"users ◄ collaborative, audio, shows\n.* current users-\w{16}  just trained", status.out)

    running = service()
    before = running.until_told(r"serving (users-\w{16})")
    encoder = restore_encoder(tmp_path / "run")
    assert before == encoder.space.id
    ask = Client(running.until_told(URL))
    assert ask("GET", "/v1/status", Host="vectors.example.com")[0] == 200, "as a proxy in front sends it"
    assert ask("GET", "/v1/status", Host="localhost")[0] == 421
    assert ask("POST", "/v1/vectors", {"user_ids": ["x" * 50_000]})[0] == 413
    _newcomer(ask, encoder)
    _known(ask)
    _batch(command, ask, tmp_path)
    after = _rotate(command, running, workspace, before)
    _worker_dies(ask, running, after)
    assert ask("DELETE", "/v1/users/ann") == (200, {"user_id": "ann", "known": True})
    assert ask("GET", "/v1/users/ann")[0] == 404

    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(30) == -signal.SIGTERM or running.process.returncode == 0
    assert "Traceback" not in "".join(running.told)
    _stopped(command, monkeypatch)


def _newcomer(ask: Client, encoder: Any) -> None:
    """Onboarding, a vector, events, another vector: each what batch inference gives."""
    assert ask("GET", "/v1/users/ann/vector")[0] == 404
    profile = {"told_at": NOW, "categories": {"country": "country 1"}, "age": 30}
    picked = {"artists": ["artist 3", "artist 7"], "languages": ["language 1"]}
    told = {"user_id": "ann", "answered_at": NOW, **picked, "profile": profile}
    assert ask("POST", "/v1/onboarding", told) == (202, {"accepted": 2})
    fresh = vector_knowing(ask, "ann", 0)
    nothing: dict[str, Any] = {"item_id": [], "feedback": [], "timestamp": []}
    known = {"country": "country 1", "age": 30, "answered_at": NOW, **picked}
    expected = encoder.encode_user(nothing, known, time=fresh["as_of"])
    np.testing.assert_allclose(fresh["values"], expected.values[0], atol=1e-5)
    assert fresh["spaces"] == encoder.space.ids

    events = [
        {"user_id": "ann", "item_id": f"track {i}", "timestamp": NOW + i, "feedback": "play", "played_ratio": 1.0}
        for i in range(5)
    ]
    assert ask("POST", "/v1/events", {"events": events}) == (202, {"accepted": 5})
    later = vector_knowing(ask, "ann", 5)
    columns = {name: [event[name] for event in events] for name in ("item_id", "timestamp", "feedback", "played_ratio")}
    expected = encoder.encode_user(columns, known, time=NOW + 5)
    assert later["as_of"] == NOW + 5
    np.testing.assert_allclose(later["values"], expected.values[0], atol=1e-5)
    assert ask("POST", "/v1/events", {"events": events}) == (202, {"accepted": 5}), "delivered twice"
    status, refused = ask(
        "POST", "/v1/profiles", {"profiles": [profile | {"user_id": "ann", "categories": {"hat": "x"}}]}
    )
    assert status == 422
    assert "categories tell of hat, but may tell of country" in refused["error"]


def _known(ask: Client) -> None:
    """Users of the log have vectors, neighbours, rankings and a page."""
    status, vector = ask("GET", "/v1/users/user%205/vector")
    assert status == 200
    assert vector["events"] > 0
    status, near = ask("POST", "/v1/users/user%205/nearest", {"k": 3})
    assert status == 200
    assert len(near["near"]) == 3
    assert "user 5" not in [one["id"] for one in near["near"]]
    status, near = ask("POST", "/v1/tracks/track%205/nearest", {"k": 3, "modality": "audio"})
    assert (status, near["space_id"]) == (200, vector["spaces"]["audio"])
    status, ranked = ask("POST", "/v1/users/user%205/rank", {"item_ids": ["track 1", "nothing", "track 2"]})
    assert status == 200
    assert ranked["items"][-1] == {"item_id": "nothing", "score": None}
    status, page = ask("GET", "/v1/users/user%205")
    assert status == 200
    assert page["recent"][0]["item_id"].split()[0] in ("track", "show")
    assert ask("POST", "/v1/users/user%205/rank", {"item_ids": ["track 1"], "by": "taste"})[0] == 422


def _batch(command: Command, ask: Client, tmp_path: Path) -> None:
    """What batch inference makes is stored where it is about a later moment than what is there."""
    status, before = ask("GET", "/v1/users/user%205/vector")
    data = [knob for knob in SMALL if knob.lstrip("+").startswith("data.source")]
    call = ("task=embed_users", f"task.run={tmp_path / 'run'}", "task.into=embedded", CHAIN, *data)
    said = command(*call, f"task.time={before['as_of'] + 7 * 86_400}", folder=tmp_path / "batch")
    assert said.status == 0, said.err
    assert "150 of them stored" in said.out
    status, after = ask("GET", "/v1/users/user%205/vector")
    assert (status, after["as_of"], after["events"]) == (200, before["as_of"] + 7 * 86_400, before["events"])
    assert after["values"] != before["values"]
    late = command(*call, f"task.time={before['as_of'] - 86_400}", folder=tmp_path / "late batch")
    assert ask("GET", "/v1/users/user%205/vector") == (200, after), late.out
    wrong = command(*call, "task.into=somewhere", folder=tmp_path / "nowhere")
    assert wrong.status == 1
    assert "task.into is 'somewhere', but must be embedded or the URL of a Redis" in wrong.err


def _rotate(command: Command, running: Service, workspace: Path, before: str) -> str:
    """Retrain an encoder and all that reads it, while somebody asks all the time."""
    over, failed, seen = threading.Event(), [], set()
    url = running.until_told(URL)

    def keep_asking() -> None:
        own = Client(url)
        while not over.is_set():
            for method, path, body in (
                ("GET", "/v1/users/user%205/vector", None),
                ("POST", "/v1/users/user%205/rank", {"item_ids": ["track 1", "track 2"]}),
                ("POST", "/v1/users/user%205/nearest", {"k": 2}),
            ):
                status, found = own(method, path, body)
                if status != 200:
                    failed.append((path, status, found))
                else:
                    seen.add((path, found["space_id"], *sorted(found["spaces"].values())))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    retrained = command(
        "task=lineage", CHAIN, "lineage.command=retrain", "lineage.model=collaborative", "seed=1", folder=workspace
    )
    assert retrained.status == 0, retrained.err
    after = re.findall(r"users: (users-\w{16}) serves", retrained.out)[0]
    assert after != before
    running.until_told(rf"serving ({after})")
    time.sleep(1.0)
    over.set()
    asking.join()
    assert not failed
    assert {space_id for path, space_id, *_ in seen if path.endswith("vector")} == {before, after}
    for _, space_id, *spaces in seen:
        assert space_id in spaces, "what an answer comes from is one chain's"
    return after


def _stopped(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain that stops being retrained after its first model goes on with the second."""
    trained = []

    def once(*arguments: Any) -> Any:
        if trained:
            raise Interrupted(128 + signal.SIGTERM)
        trained.append(arguments)
        return run(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(retraining, "run", once)
        stopped = command("task=lineage", CHAIN, "lineage.command=retrain", "lineage.model=collaborative", "seed=2")
    assert stopped.status == 128 + signal.SIGTERM
    due = command("task=lineage", CHAIN, "lineage.command=due").out
    assert re.search(r"│ users +│ reads", due)
    assert not re.search(r"│ collaborative +│", due)
    gone_on = command("task=lineage", CHAIN, "lineage.command=retrain", "seed=2")
    assert gone_on.status == 0, gone_on.err
    assert re.findall(r"^(\w+) \(\d of 2\)", gone_on.out, re.MULTILINE) == ["users", "future_listening"]
    assert command("task=lineage", CHAIN, "lineage.command=due").out.strip() == "nothing is due"


def _worker_dies(ask: Client, running: Service, space_id: str) -> None:
    """A worker that is killed is started again, and loses nothing."""
    (pid,) = running.children()
    os.kill(pid, signal.SIGKILL)
    event = {"user_id": "ann", "item_id": "track 9", "timestamp": NOW + 9, "feedback": "play"}
    assert ask("POST", "/v1/events", {"events": [event]}) == (202, {"accepted": 1})
    assert vector_knowing(ask, "ann", 6)["space_id"] == space_id
    (other,) = running.children()
    assert other != pid
