"""The page in a real browser, without a window."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.serving.http.browser import Tab, becomes
from tests.serving.http.fake import Fake
from urep_jax.serving.http.answers import Heard, Move, Near, User
from urep_jax.serving.http.page import FILES
from urep_jax.serving.http.server import serving
from urep_jax.serving.online.parts import Dead, Message

HOSTILE = "<img src=x onerror=document.title='taken'>"
TOKEN = "0123456789abcdef"
HOSTILE_SHOWN = HOSTILE.replace("<", "&lt;").replace(">", "&gt;")


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
    return partial(becomes, folder=tmp_path)


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Callable[[str], Tab]]:
    """`opens(url)`: a page that somebody uses."""
    with contextlib.ExitStack() as stack:
        yield lambda url: stack.enter_context(contextlib.closing(Tab(url, tmp_path)))


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
        "<dt>workers</dt><dd>1</dd>",
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


def enter(tab: Tab, token: str) -> None:
    tab.run(f"$('token').value = '{token}'; document.querySelector('#door button').click()")


def test_the_token_is_asked_for_and_kept_nowhere(opens: Callable[[str], Tab]) -> None:
    with serving(Watched(), token=TOKEN) as url:
        tab = opens(f"{url}/#{quote(HOSTILE, safe='')}")
        tab.until("!$('door').hidden")
        assert tab.run("document.querySelector('main').hidden")
        assert tab.run("$('refused').textContent") == ""
        enter(tab, "another token, as long")
        tab.until("$('refused').textContent === 'that is another token'")
        enter(tab, TOKEN)
        tab.until("$('served').textContent === 'mine: users-00aa'")
        tab.until("$('known').textContent.startsWith('2 events')")
        assert tab.run("$('door').hidden && !document.querySelector('main').hidden")
        everywhere = (
            "[document.documentElement.outerHTML, location.href, document.cookie, JSON.stringify(localStorage), "
            "JSON.stringify(sessionStorage), $('token').value].join()"
        )
        assert TOKEN not in tab.run(everywhere)
        tab.reload()
        tab.until("document.readyState === 'complete' && !document.getElementById('door').hidden")


def test_nobody_is_asked_for_a_token_that_is_not_needed(opens: Callable[[str], Tab]) -> None:
    with serving(Watched()) as url:
        tab = opens(url)
        tab.until("$('served').textContent === 'mine: users-00aa'")
        assert tab.run("$('door').hidden && !document.querySelector('footer').hidden")


class Slow(Watched):
    """Takes its time for one user."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.asked_for: list[str] = []

    def user(self, user_id: str) -> User | None:
        self.asked_for.append(user_id)
        if user_id.startswith("slow"):
            assert self.may.wait(20)
        if user_id == "slow, and gone":
            return None
        return User(user_id, 2, [], [f"what {user_id} picked"], [], {}, "users-00aa", [], [Move(1, 1, None, 1.0)], {})


@pytest.mark.parametrize("first", ["slow", "slow, and gone"])
def test_an_answer_that_comes_late_is_not_shown_as_of_somebody_else(opens: Callable[[str], Tab], first: str) -> None:
    backend = Slow()
    with serving(backend) as url:
        tab = opens(f"{url}/#{quote(first)}")
        tab.run("location.hash = 'fast'")
        tab.until("$('known').textContent.includes('what fast picked')")
        assert backend.asked_for == [first, "fast"]
        # Whatever comes of the first question has come when a later one is answered.
        tab.run("void (window.late = fetch('/v1/users/slow%20too').then((answer) => answer.status))")
        backend.may.set()
        assert tab.run("window.late") == 200
        tab.run("new Promise((done) => setTimeout(done, 200))")
        assert tab.run("$('user').value") == "fast"
        assert "what fast picked" in tab.run("$('known').textContent")
        assert not tab.run("$('portrait').hidden")
        assert tab.run("$('message').textContent") == ""


def test_nothing_in_the_page_is_script_or_style_but_its_files() -> None:
    kind, page, _ = FILES["/"]
    assert kind.startswith("text/html")
    assert re.findall(rb"<script[^>]*>", page) == [b'<script src="/page.js" defer>']
    assert b"<style" not in page
    assert not re.search(rb"\son\w+=|style=", page)
    assert not re.search(rb"innerHTML|insertAdjacentHTML|document\.write|eval\(", FILES["/page.js"][1])
