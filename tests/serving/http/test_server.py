"""A real server, and clients that are slow, hang up, or send too much."""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest

from tests.serving.http.fake import ODD, Fake, segment
from tests.serving.http.test_endpoints import EVENT
from urep_jax.serving.http.limits import Limits
from urep_jax.serving.http.server import listen, serve, serving, url

LIMITS = Limits(body_bytes=2000, body_seconds=1.0, connections=12)
HEAD = b"Host: localhost\r\nContent-Type: application/json\r\n"


class Served:
    """A fake that is served, and connections to it."""

    def __init__(self, fake: Fake, at: str) -> None:
        self.fake, self.port = fake, int(at.rpartition(":")[2])

    def connect(self, *sent: bytes) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        for part in sent:
            connected.sendall(part)
        return connected

    def talk(self, *sent: bytes) -> bytes:
        """Send, and read until the service hangs up."""
        with self.connect(*sent) as connected:
            return read_all(connected)

    def get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("localhost", self.port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body


def read_all(connected: socket.socket) -> bytes:
    parts = []
    try:
        while part := connected.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        parts.append(b"<reset>")
    return b"".join(parts)


def read_to(connected: socket.socket, end: bytes) -> bytes:
    """An answer that ends so; its head and its body may come one by one."""
    told = b""
    while not told.endswith(end):
        told += connected.recv(65536)
    return told


def is_cut_off(connected: socket.socket, part: bytes) -> bool:
    """Whether the service hangs up on who sends the same for too long."""
    try:
        for _ in range(1000):
            connected.sendall(part)
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def wait_for(condition: object) -> None:
    assert callable(condition)
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 20 seconds")


@pytest.fixture
def served() -> Iterator[Served]:
    fake = Fake()
    with serving(fake, limits=LIMITS) as at:
        yield Served(fake, at)


def test_a_path_is_taken_as_it_was_sent(served: Served) -> None:
    status, body = served.get(f"/v1/users/{segment(ODD)}/vector")
    assert status == 200
    assert msgspec.json.decode(body)["user_id"] == ODD
    assert served.get("/v1/users/ann%2Fvector")[0] == 404
    assert served.get("/v1/users/%ff/vector")[0] == 400
    assert served.talk(b"GET /v1/users/\xff/vector HTTP/1.1\r\n" + HEAD + b"\r\n").startswith(b"HTTP/1.1 400")
    assert served.get("/healthz") == (200, b'{"ok":true}')


def test_two_requests_on_one_connection(served: Served) -> None:
    one = b"GET /v1/users/ann/vector HTTP/1.1\r\n" + HEAD
    told = served.talk(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
    assert told.count(b"HTTP/1.1 200") == 2
    assert b"server:" not in told.lower()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8077"])
def test_another_host_is_refused(served: Served, host: str) -> None:
    told = served.talk(f"GET /v1/lineage HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert told.startswith(b"HTTP/1.1 421")


def test_a_body_that_says_it_is_too_large_is_not_waited_for(served: Served) -> None:
    with served.connect(b"POST /v1/events HTTP/1.1\r\n" + HEAD + b"Content-Length: 2001\r\n\r\n") as connected:
        assert connected.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_body_without_a_length_is_measured_while_it_comes(served: Served) -> None:
    chunk = b"3e8\r\n" + b" " * 1000 + b"\r\n"
    with served.connect(
        b"POST /v1/events HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, b"1\r\n \r\n"
    ) as connected:
        assert connected.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_refused_body_can_be_sent_to_its_end_but_not_forever(served: Served) -> None:
    refused = b"POST /nowhere HTTP/1.1\r\n" + HEAD
    with served.connect(refused + b"Content-Length: 2000\r\n\r\n") as connected:
        assert read_to(connected, b"}").startswith(b"HTTP/1.1 404")
        connected.sendall(b" " * 2000)
        connected.sendall(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
        assert read_all(connected).startswith(b"HTTP/1.1 200")
    with served.connect(refused + b"Content-Length: 100000000\r\n\r\n") as connected:
        assert is_cut_off(connected, b" " * 100_000)


def test_a_slow_body_is_not_waited_for(served: Served) -> None:
    with served.connect(b"POST /v1/events HTTP/1.1\r\n" + HEAD + b"Content-Length: 50\r\n\r\n") as connected:
        started = time.monotonic()
        for _ in range(4):
            # It drips: what counts is all of it, not each part.
            time.sleep(0.2)
            connected.sendall(b" ")
        told = read_all(connected)
    assert told.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in told
    assert time.monotonic() - started > 0.9
    assert not served.fake.messages


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET /healthz HTTP/1.1\r\nHost: localh"])
def test_a_slow_head_is_not_waited_for(served: Served, sent: bytes) -> None:
    assert served.talk(sent) in (b"", b"<reset>")


def test_the_next_request_on_a_connection_may_not_dawdle_either(served: Served) -> None:
    with served.connect(b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n") as connected:
        assert read_to(connected, b"}").startswith(b"HTTP/1.1 200")
        connected.sendall(b"GET /healthz HT")
        assert read_all(connected) in (b"", b"<reset>")


def test_an_endless_head_is_cut_off(served: Served) -> None:
    with served.connect(b"GET /healthz HTTP/1.1\r\n") as connected:
        assert is_cut_off(connected, b"X-More: " + b"x" * 10_000 + b"\r\n")


def test_who_hangs_up_leaves_no_trace(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        served.connect(b"POST /v1/events HTTP/1.1\r\n" + HEAD + b"Content-Length: 50\r\n\r\n{").close()
        served.connect(b"GET /v1/us").close()
        # One byte is missing, though what came could be read.
        body = msgspec.json.encode({"events": [EVENT]})
        cut = b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body
        served.connect(b"POST /v1/events HTTP/1.1\r\n" + HEAD + cut).close()
        assert served.get("/v1/users/ann/vector")[0] == 200
    assert not served.fake.messages
    assert not [one for one in caplog.records if one.levelno > logging.INFO]
    assert "ann" not in caplog.text


def test_who_hangs_up_while_waiting_leaves_the_others_alone(served: Served) -> None:
    served.fake.gate = threading.Event()
    first = served.connect(b"GET /v1/users/bob/vector HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")
    body = msgspec.json.encode({"events": [EVENT]})
    post = (
        b"POST /v1/events HTTP/1.1\r\n" + HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    second, third = served.connect(post), served.connect(post)
    wait_for(lambda: len(served.fake.threads) >= 3)
    first.close()
    second.close()
    served.fake.gate.set()
    with third:
        assert read_all(third).startswith(b"HTTP/1.1 202")
    # What was sent whole is accepted, whether or not somebody waits to be told.
    wait_for(lambda: len(served.fake.messages) == 2)


def test_no_more_connections_than_allowed(served: Served) -> None:
    idle = [served.connect() for _ in range(LIMITS.connections)]
    time.sleep(0.2)
    assert served.get("/healthz")[0] == 503
    for one in idle:
        one.close()
    wait_for(lambda: served.get("/healthz")[0] == 200)


def test_a_header_can_not_get_around_the_rate() -> None:
    with serving(Fake(), limits=Limits(rate=0.001)) as at:
        served = Served(Fake(), at)
        one = b"GET /v1/status HTTP/1.1\r\nConnection: close\r\nX-Forwarded-For: 10.0.0.%d\r\n" + HEAD + b"\r\n"
        assert served.talk(one % 1).startswith(b"HTTP/1.1 200")
        assert served.talk(one % 2).startswith(b"HTTP/1.1 429")


def test_a_port_that_is_taken() -> None:
    with listen(port=0) as taken:
        assert url(taken) == f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match="already in use"):
            serve(Fake(), port=taken.getsockname()[1])


def test_where_a_socket_listens_counts() -> None:
    with listen("0.0.0.0", 0) as open_to_all, pytest.raises(ValueError, match="which others can reach"):
        serve(Fake(), "127.0.0.1", listening=open_to_all)
    with socket.socket(socket.AF_UNIX) as local, pytest.raises(ValueError, match="must be one of an internet address"):
        serve(Fake(), listening=local)


PROGRAM = """
import signal, sys, threading, time
from tests.serving.http.fake import Fake
from urep_jax.serving.http.server import listen, serve, url

class Slow(Fake):
    def accept(self, messages):
        print("accepting", flush=True)
        time.sleep(1)
        super().accept(messages)

fake, listening = Slow(), listen(port=0)
print(url(listening), flush=True)
serve(fake, listening=listening)
print("served", len(fake.messages), signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, flush=True)
"""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_returns_when_told_to_and_finishes_what_is_under_way(told: signal.Signals) -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        at = process.stdout.readline().strip()
        connection = HTTPConnection(at.removeprefix("http://"), timeout=60)
        body = msgspec.json.encode({"events": [EVENT]})
        connection.request("POST", "/v1/events", body, {"content-type": "application/json"})
        assert process.stdout.readline() == "accepting\n"
        process.send_signal(told)
        assert connection.getresponse().status == 202
        assert process.stdout.readline() == "served 1 True\n"
        assert process.wait(20) == 0
