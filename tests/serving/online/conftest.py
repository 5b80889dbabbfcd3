"""A Redis server of the tests' own, and both sets of parts."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.online.opened import Place


class PrivateRedis:
    """A Redis server that listens to a socket in a folder of its own only."""

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            reason = "needs redis-server, which the package redis-server of most systems brings"
            if os.environ.get("UREP_REQUIRE_ALL") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        # The path of a socket may have about a hundred letters, which pytest's own folders can exceed.
        self.folder = Path(tempfile.mkdtemp(prefix="urep"))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{self.socket}"
        self._command = [program, "--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        self._command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", *options]
        self.start()

    def start(self) -> None:
        import redis

        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=str(self.socket))
        for _ in range(500):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.01)
        else:
            pytest.fail("the private redis-server didn't start within five seconds")
        client.close()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def remove(self) -> None:
        self.kill()
        while self.folder.exists():  # Its child may be writing a file anew, and ends by itself.
            shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    server = PrivateRedis()
    yield server.url
    server.remove()


@pytest.fixture
def own_redis() -> Iterator[PrivateRedis]:
    """One that the test may kill and set up as it likes."""
    server = PrivateRedis()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where new parts are made: each test has its own."""
    if request.param == "sqlite":
        return Place("sqlite", str(tmp_path / "online"))
    return Place("redis", request.getfixturevalue("redis_url"), uuid.uuid4().hex)
