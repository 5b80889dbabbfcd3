"""A real browser without a window: what a page becomes by itself, and what it does when somebody uses it."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def program() -> str:
    """Where a browser is; the test skips where none is."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"needs one of {', '.join(BROWSERS)}"
        if os.environ.get("UREP_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def becomes(url: str, folder: Path) -> str:
    """What a page has become after six seconds of its own time."""
    call = [program(), *QUIET, f"--user-data-dir={folder}", "--virtual-time-budget=6000", "--dump-dom", url]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, check=True).stdout


class Told(Exception):
    """What the browser said was wrong."""


class Tab:
    """A page in a browser, which is told by JavaScript what to do, over two pipes (Chrome's DevTools protocol).

    Args:
        url: of the page.
        folder: the browser's own.
    """

    def __init__(self, url: str, folder: Path) -> None:
        told, tells = os.pipe()
        hears, heard = os.pipe()
        # The browser reads from 3 and writes to 4, whatever the numbers are here.
        shell = f'exec "$@" 3<&{told} 4>&{heard} {told}<&- {heard}>&-'
        call = [program(), *QUIET, f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *call], pass_fds=(told, heard), stderr=subprocess.DEVNULL
        )
        os.close(told)
        os.close(heard)
        self._in, self._out = os.fdopen(tells, "wb"), os.fdopen(hears, "rb")
        self._calls = 0
        target = self._call("Target.createTarget", {"url": url})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.until("location.href !== 'about:blank' && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        told = self._call("Runtime.evaluate", asked, sessionId=self._session)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, script: str) -> None:
        """Wait for an expression to be true."""
        last = time.monotonic() + 30
        while not self._is_so(script):
            assert time.monotonic() < last, f"{script} never came to be so:\n{self.run('document.body.outerHTML')}"
            time.sleep(0.02)

    def reload(self) -> None:
        """Load the page anew."""
        self._call("Page.reload", {}, sessionId=self._session)

    def _is_so(self, script: str) -> bool:
        try:
            return bool(self.run(script))
        except Told as error:
            # One page went, and the next wasn't there yet.
            if "navigated" in str(error) or "context" in str(error):
                return False
            raise

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._in.close()
        self._out.close()

    def _call(self, method: str, params: dict[str, Any], **more: str) -> Any:
        self._calls += 1
        self._in.write(json.dumps({"id": self._calls, "method": method, "params": params, **more}).encode() + b"\0")
        self._in.flush()
        while True:
            told = json.loads(self._message())
            if told.get("id") == self._calls:
                if "error" in told:
                    raise Told(told["error"])
                return told["result"]

    def _message(self) -> bytes:
        found = bytearray()
        while (letter := self._out.read(1)) != b"\0":
            assert letter, "the browser has ended"
            found += letter
        return bytes(found)
