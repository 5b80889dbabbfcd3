"""The page in a real browser, without a window."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.serving.http.fake import Fake
from urep_jax.serving.http.backend import Heard, Move, Near, User
from urep_jax.serving.http.page import FILES
from urep_jax.serving.http.server import serving
from urep_jax.serving.online.parts import Dead, Message

HOSTILE = "<img src=x onerror=document.title='taken'>"
HOSTILE_SHOWN = HOSTILE.replace("<", "&lt;").replace(">", "&gt;")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Watched(Fake):
    """A chain of three models, and a user whose id, words and items are an attack."""

    def lineage(self) -> dict[str, Any]:
        batch = {"space_id": "audio-00bb", "trained_at": 0.0}
        return {
            "chain": "mine",
            "graph": {"audio": [], "users": ["audio"], "taste": ["users", "audio"]},
            "current": {"audio": batch, "users": {"space_id": "users-00aa", "trained_at": 0.0}},
            "legacy": {"audio": batch},
            "due": {"taste": ["never trained"]},
            "served": {"users": "users-00aa"},
        }

    def dead(self, most: int) -> list[Dead]:
        return [
            Dead(Message(HOSTILE, HOSTILE.encode()), reason, 1.0) for reason in ("it was late", HOSTILE, "it was late")
        ]

    def user(self, user_id: str) -> User | None:
        if user_id != HOSTILE:
            return None
        heard = [Heard(1_700_000_000, HOSTILE, "up"), Heard(1_600_000_000, None, "skip")]
        moves = [Move(1_700_000_001, 2, 0.75, 1.0), Move(1_600_000_001, 1, None, 0.75)]
        near = [Near("abba", 0.875)]
        return User(user_id, 2, heard, [HOSTILE], ["sv"], {"country": "SE"}, "users-00aa", near, moves, {})


@pytest.fixture
def browser(tmp_path: Path) -> Any:
    """`browser(url)`: what a page has become after six seconds of its own time."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"needs one of {', '.join(BROWSERS)}"
        if os.environ.get("UREP_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)

    def look(url: str) -> str:
        call = [found, *QUIET, f"--user-data-dir={tmp_path}", "--virtual-time-budget=6000", "--dump-dom", url]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout

    return look


def test_the_chain_the_state_and_a_user_are_shown(browser: Any) -> None:
    with serving(Watched()) as url:
        shown = browser(f"{url}/#{quote(HOSTILE, safe='')}")
    for told in ("mine: users-00aa", "00aa", "never trained", "legacy kept", "2 events · country SE", "abba", "0.88"):
        assert told in shown
    reasons = re.search(r'<table id="reasons">(.*?)</table>', shown, re.DOTALL)
    assert reasons is not None
    assert re.findall(r"<td[^>]*>([^<]*)</td>", reasons[1]) == ["it was late", "2", HOSTILE_SHOWN, "1"]
    for told in (
        "messages waiting",
        "2023-11-14 22:13",
        "an item that no model knows",
        "cosine with the latest vector",
    ):
        assert told in shown
    assert "<title>User representations, near real time</title>" in shown, "what others have chosen is never run"
    assert "&lt;img src=x" in shown
    assert "<img" not in shown
    assert shown.count("<circle") == 2


def test_whom_nobody_knows_is_told(browser: Any) -> None:
    with serving(Watched()) as url:
        shown = browser(f"{url}/#nobody")
    assert re.search(r"<output[^>]*>nothing is known of this user; send events", shown)
    assert re.search(r'<div id="portrait" hidden', shown)


def test_nothing_in_the_page_is_script_or_style_but_its_files() -> None:
    kind, page, _ = FILES["/"]
    assert kind.startswith("text/html")
    assert re.findall(rb"<script[^>]*>", page) == [b'<script src="/page.js" defer>']
    assert b"<style" not in page
    assert not re.search(rb"\son\w+=|style=", page)
    assert not re.search(rb"innerHTML|insertAdjacentHTML|document\.write|eval\(", FILES["/page.js"][1])
