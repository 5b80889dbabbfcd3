"""Numbers in the words are those that the reports beside them tell: none is written by hand."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEEN = ROOT / "benchmarks"
TOLD = re.compile(r"(?<![\w.])[+−]?(?:\d+)?\.\d+(?: ±\.?\d+(?:\.\d+)?)?(?![\w.]*\d)")
"""A number with a point, and its interval if it has one: `.701`, `+.073 ±.021`, `10.0 ±10.3`."""

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def told(text: str) -> set[str]:
    """The numbers of a text that have three digits or more: sections and knobs have fewer."""
    return {number for number in TOLD.findall(text) if len(re.sub(r"\D", "", number.split(" ")[0])) >= 3}


def test_a_number_is_seen() -> None:
    text = "lifts .701 by +.073 ±.021 (§5.2, `p_hard=.1`), in 10.0 ±10.3 epochs of 97.5%, beside −.250 and .0437."
    assert told(text) == {".701", "+.073 ±.021", "10.0 ±10.3", "97.5", "−.250", ".0437"}


def test_the_words_tell_what_was_computed() -> None:
    readme = (ROOT / "README.md").read_text()
    # A run's own table, above, is what a newcomer sees.
    users, rankings = readme.split("## Rankings that learn from downs and skips")
    rankings, agents = rankings[: rankings.index("## How to")].split("## Agents that look past the next item")
    agents, speed = agents.split("## Fast on one machine")
    words = {
        "README.md, users": ("user_representation", users[users.index("Over five worlds") :]),
        "README.md, rankings": (
            "negative_feedback",
            rankings[rankings.index("Over five") :],
        ),
        "README.md, agents": ("long_term_satisfaction", agents),
        "README.md, speed": ("negative_feedback", speed),
    }
    for system in ("user_representation", "negative_feedback", "long_term_satisfaction"):
        words[f"{system}/README.md"] = (system, (SEEN / system / "README.md").read_text())
    few = {"README.md, agents", "README.md, speed", "long_term_satisfaction/README.md"}
    for name, (system, text) in words.items():
        paths = [path for path in (SEEN / system).rglob("*.md") if path.name != "README.md"]
        if text is speed:
            paths.append(SEEN / "speed_and_memory" / "README.md")
        reports = "\n".join(path.read_text() for path in paths)
        assert len(told(text)) > (8 if name in few else 30)
        unknown = [number for number in told(text) if number not in reports]
        assert not unknown, f"{name} tells what no report does"


def test_rates_are_those_of_the_page() -> None:
    speed = (ROOT / "README.md").read_text().split("## Fast on one machine")[1].split("## How to")[0]
    rows = [line.strip("|").split("|", 1)[1] for line in speed.splitlines() if line.startswith("| ")]
    page = set(NUMBER.findall((SEEN / "speed_and_memory" / "README.md").read_text()))
    found = [number for row in rows[1:] for number in NUMBER.findall(row)]
    assert len(found) > 10
    assert set(found) <= page
