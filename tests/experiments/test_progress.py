"""What is told of work that goes on."""

import io
import re

from rich.console import Console

from experiments.progress import WorkBar


def test_outside_a_terminal_each_tenth_is_a_line() -> None:
    file = io.StringIO()
    with WorkBar(Console(file=file), "judging", 40) as bar:
        for piece in range(40):
            bar.advance(said=f"reward {piece}")
    lines = file.getvalue().splitlines()
    assert len(lines) == 10
    assert re.fullmatch(r"judging: 10%  reward 3  \d+ s, \d+ s left", lines[0])
    assert re.fullmatch(r"judging: 100%  reward 39  \d+ s, 0 s left", lines[-1])


def test_work_that_was_stopped_goes_on_from_where_it_was() -> None:
    file = io.StringIO()
    with WorkBar(Console(file=file), "ppo", 10, done=8) as bar:
        bar.advance(2)
    assert file.getvalue().startswith("ppo: 100%  ")
    assert file.getvalue().count("\n") == 1


def test_in_a_terminal_there_is_a_bar() -> None:
    file = io.StringIO()
    with WorkBar(Console(file=file, force_terminal=True, width=100), "judging", 2) as bar:
        bar.advance(said="reward 1")
        bar.advance(said="reward 2")
    assert "━" in file.getvalue()
    assert "100%" not in file.getvalue()
