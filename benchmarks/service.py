"""`task=serve` in processes of its own, on a copy of a workspace's lineage, and what its processes take."""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from urep_jax.lineage.store import LineageStore
from urep_jax.serving.restore import restore_encoder
from urep_jax.serving.user_encoder import UserEncoder

_ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE = 120.0
"""Seconds to wait for a start."""


@contextlib.contextmanager
def borrowed(workspace: Path) -> Iterator[Path]:
    """A workspace with the lineage of another one, whose service starts with nobody: what is there stays as it is."""
    with tempfile.TemporaryDirectory(prefix="urep", ignore_cleanup_errors=True) as folder:
        for path in workspace.absolute().glob("lineage.sqlite*"):
            shutil.copy(path, folder)
        for name in ("cache", "datasets"):
            if (workspace / name).exists():
                Path(folder, name).symlink_to((workspace / name).absolute())
        yield Path(folder)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What every benchmark of a service is told of it."""
    parser.add_argument("--workspace", type=Path, default=Path("outputs"), help="that has a trained chain")
    parser.add_argument("--chain", default="user_representation/streaming", help="that is served")
    parser.add_argument("--redis", action="store_true", help="stream and store in a Redis server of its own")
    parser.add_argument("--workers", type=int, default=1, help="processes that encode")


def encoder_of(workspace: Path, chain: str) -> UserEncoder:
    """What encodes users in the chain that is served."""
    lineages = LineageStore(workspace / "lineage.sqlite")
    if chain not in lineages.chains():
        raise SystemExit(f"{workspace} has no chain {chain!r}, but {', '.join(lineages.chains()) or 'none'}: --chain")
    return restore_encoder(lineages.look(chain).lineage.current["users"].run)


def free_port() -> int:
    """A port that nobody has; the same one can be listened on again after a fault."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


class Redis:
    """A server of our own that keeps what it accepts.

    Args:
        folder: where it keeps it.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("redis-server") is None:
            raise SystemExit("redis-server is not installed; install it, or measure without --redis")
        self._folder, self._port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Start, with what is there; returns once it answers."""
        command = ["redis-server", "--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1) as asked:
                asked.sendall(b"PING\r\n")
                if asked.recv(7) == b"+PONG\r\n":
                    return
            time.sleep(0.01)
        raise TimeoutError("Redis doesn't start")

    def kill(self) -> None:
        """End it, without a chance to do anything more."""
        self.process.kill()
        self.process.wait()


class Service:
    """`task=serve` on a port of its own.

    Args:
        workspace: with a lineage.
        chain: that is served.
        settings: further ones.
        environment: what is added to it.
    """

    def __init__(
        self, workspace: Path, chain: str, settings: Sequence[str] = (), environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        words = ["task=serve", f"workspace={workspace}", f"lineage.chain={chain}", "serving.log=false"]
        self._command = [sys.executable, "-m", "experiments.run", *words, f"serving.port={self.port}", *settings]
        self._environment = os.environ | {"COLUMNS": "200"} | dict(environment or {})
        self.told: list[str] = []
        self.start()

    def start(self) -> None:
        """Start; `until_ready` waits."""
        self.process = subprocess.Popen(
            self._command,
            cwd=_ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C is for whoever measures, who then stops it.
        )
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            self.told.extend(lines)

    def until_ready(self) -> None:
        """Wait until it serves.

        Raises:
            RuntimeError: if it ends or doesn't begin.
        """
        until = time.monotonic() + _PATIENCE
        while self.process.poll() is None and time.monotonic() < until:
            if self.ask("/readyz")[0] == 200:
                return
            time.sleep(0.02)
        raise RuntimeError("the service doesn't start:\n" + "".join(self.told))

    def workers(self) -> list[int]:
        """Processes that encode."""
        # Each thread has children of its own: a worker that was started again is one of the thread that looked.
        with contextlib.suppress(OSError):
            lists = [path.read_text() for path in Path(f"/proc/{self.process.pid}/task").glob("*/children")]
            return [int(pid) for listed in lists for pid in listed.split() if "spawn_main" in _words(int(pid))]
        return []

    def ask(self, path: str, body: Any = None, timeout: float = 5.0) -> tuple[int, Any]:
        """Status and answer, 0 and None where nobody answers; on a connection of its own."""
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", content, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            return error.code, None
        except (OSError, ValueError):
            return 0, None
        except Exception as error:  # Half an answer, where it was killed meanwhile.
            if type(error).__module__ != "http.client":
                raise
            return 0, None

    def waiting(self) -> int | None:
        """Messages that no vector knows of yet; None if nobody tells."""
        status, told = self.ask("/v1/status")
        return told["waiting"] if status == 200 else None

    def until_idle(self, most: int = 0, patience: float = _PATIENCE) -> float:
        """Wait until at most so many messages wait; how many seconds it took."""
        begin = time.monotonic()
        while time.monotonic() - begin < patience:
            waiting = self.waiting()
            if waiting is not None and waiting <= most:
                return time.monotonic() - begin
            time.sleep(0.02)
        raise TimeoutError(f"after {patience:.0f} s {self.waiting()} messages still wait:\n" + "".join(self.told))

    def kill(self) -> None:
        """End it, without a chance to do anything more; its workers end by themselves."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Stop it as a person does."""
        workers = self.workers()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
            self.process.kill()
            self.process.wait()
        until_gone(workers)


def until_gone(pids: Sequence[int], patience: float = 30.0) -> None:
    """Wait for processes that end by themselves; those that don't are killed."""
    until = time.monotonic() + patience
    while any("spawn_main" in _words(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.01)
    for pid in pids:
        if "spawn_main" in _words(pid):
            os.kill(pid, signal.SIGKILL)


class Running(NamedTuple):
    """A service that answers, on a copy of a workspace's lineage.

    Attributes:
        workspace: the copy.
        service: it.
        redis: what it keeps everything in; None for files.
    """

    workspace: Path
    service: Service
    redis: Redis | None


@contextlib.contextmanager
def running(given: argparse.Namespace) -> Iterator[Running]:
    """A service as the arguments of `add_arguments` tell, for as long as the block runs."""
    with contextlib.ExitStack() as stack:
        workspace = stack.enter_context(borrowed(given.workspace))
        settings, redis = [f"serving.workers={given.workers}"], None
        if given.redis:
            (workspace / "redis").mkdir()
            redis = Redis(workspace / "redis")
            stack.callback(redis.kill)
            settings.append(f"serving.redis={redis.url}")
        service = Service(workspace, given.chain, settings)
        stack.callback(service.stop)
        service.until_ready()
        yield Running(workspace, service, redis)


class Meter:
    """Memory and processor time of processes, looked at once a second for as long as the block runs.

    Args:
        pids: by what they are called.
    """

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in pids}
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Meter":
        self._look()
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._looking.join()
        self._look()

    def _look_on(self) -> None:
        while not self._over.wait(1.0):
            self._look()

    def _look(self) -> None:
        for name, pid in self._pids.items():
            with contextlib.suppress(OSError):
                self._seen[name].append((time.monotonic(), cpu_seconds(pid), resident_mib(pid)))

    def cpu_seconds(self, name: str) -> float:
        """Processor time of the processes whose names begin so."""
        return sum(seen[-1][1] - seen[0][1] for one, seen in self._seen.items() if one.startswith(name))

    def told(self) -> dict[str, dict[str, float]]:
        """Of each process the share of one core that it took, and its memory in MiB, at start, middle and end."""
        told = {}
        for name, seen in self._seen.items():
            (begin, cpu, first), (end, cpu_end, last) = seen[0], seen[-1]
            told[name] = {
                "cpu": round((cpu_end - cpu) / (end - begin), 3),
                "mib_start": round(first, 1),
                "mib_middle": round(seen[len(seen) // 2][2], 1),
                "mib_end": round(last, 1),
            }
        return told


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
