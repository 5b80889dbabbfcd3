"""`experiment=satisfaction_from_logs`, shrunk: a few listeners of one world, one epoch of narrow models."""

import json
import re
from pathlib import Path

import pytest

from tests.experiments.command import Command

TINY = (
    "experiment=satisfaction_from_logs",
    *("data.source.params.num_users=56", "+data.source.params.num_tracks=90", "+data.source.params.num_artists=30"),
    *("+data.source.params.num_shows=8", "+data.source.params.num_genres=5", "+data.source.params.num_topics=3"),
    *("worlds=1", "satisfaction.weeks=3.0", "candidates.count=20", "logs.listeners=20", "logs.tested=8"),
    *("logs.policies=3", "logs.most_events=128", "survey=1.0"),
    *("learn.response.epochs=1", "learn.response.width=4", "learn.response.hidden=4", "learn.response.window=6"),
    "learn.response.blocks=0",
    *("learn.forecast.epochs=1", "learn.forecast.width=4", "learn.forecast.hidden=4"),
    *("learned.listeners=8", "learned.network.width=4", "learned.network.hidden=4"),
    *("learned.myopic.updates=1", "learned.myopic.listeners=4", "learned.myopic.steps=4"),
    *("learned.ppo.updates=1", "learned.ppo.listeners=4", "learned.ppo.steps=4"),
)


def test_the_whole_experiment_and_what_it_leaves_behind(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    said = command(*TINY, folder=folder)
    assert said.status == 0, said.err
    metrics = json.loads((folder / "metrics.json").read_text())
    for test in ("new_listeners", "new_policy"):
        for name in ("survey", "returns", "ups_less_skips", "minutes_of_a_week", "constant"):
            for where in ("between", "within"):
                value = metrics[f"satisfaction/{test}/{name}/{where}"]
                assert value == 0 if name == "constant" else -1 <= value <= 1
        assert 0 <= metrics[f"satisfaction/{test}/survey/ece"] < 0.4
        for horizon in ("ten_minutes", "one_day", "one_week"):
            stem = f"forecast/{test}/{horizon}"
            ahead = metrics[f"{stem}/model"] - metrics[f"{stem}/popularity"]
            assert metrics[f"{stem}/over_popularity"] == pytest.approx(ahead)
    truth = [value for name, value in metrics.items() if name.endswith("/truth")]
    assert sum(truth) / len(truth) > 0.6, "what is most worth is left least"
    policies = {key.split("/")[1] for key in metrics if key.endswith("/reward/true")}
    assert {"random", "most nourishing", "myopic", "ppo"} < policies
    assert len(policies) >= 10
    for policy in policies:
        assert 0 < metrics[f"learned/{policy}/satisfaction"] < 3
        assert all(metrics[f"learned/{policy}/sessions/{place}"] >= 1 for place in ("true", "first", "second"))
    for name in ("first_and_true/reward", "first_and_second/ups", "true_and_satisfaction/reward"):
        low, middle, high = (metrics[f"learned/agreement/{name}{end}"] for end in ("_low", "", "_high"))
        assert -1 <= low <= middle <= high <= 1
    ahead = metrics["learned/ppo/satisfaction"] - metrics["learned/random/satisfaction"]
    assert metrics["learned/ppo/satisfaction_over_random"] == pytest.approx(ahead)
    for head in ("up", "skip", "session_over", "back_within_2"):
        assert 0 <= metrics[f"responses/new_policy/{head}/ece"] < 1
    report = (folder / "report.md").read_text()
    assert "Can what was learnt stand in for listeners?" in report
    for row in ("| survey's answers |", "| model, of a stranger |", "| over last session |"):
        assert report.count(row) == 2, row
    for name, rows in (("reliability", 2 * 2 * 15), ("forecasts", 2 * 3 * 7), ("policies", len(policies))):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5_000
        assert (folder / "figures" / f"{name}.csv").read_text().count("\n") == 1 + rows
    assert "what is wanted later, AUC: new policy" in said.out
    again = command(*TINY, folder=folder)
    assert "this run has ended before" in again.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data=movielens_1m",), "data is movielens_1m, but .* simulation tells; take data=streaming"),
        (("worlds=0",), "worlds is 0, but must be at least 1"),
        (("logs.tested=9",), "logs.listeners is 20 and logs.tested 9, which takes 58 listeners, but a world has 56"),
        (("learned.listeners=9",), "learned.listeners is 9, but must lie between 1 and logs.tested, 8"),
        (("logs.policies=0",), "logs.policies is 0, but must be at least 1"),
        (("logs.strength=-1",), "logs.strength is -1, but must be at least 0"),
        (("survey=0",), "survey is 0, but must lie above 0 and be at most 1"),
        (
            ("satisfaction.weeks=1.0",),
            "satisfaction.weeks is 1, but to ask what is wanted a week later takes more",
        ),
        (("learn.response.window=1",), "learn.response: window is 1, but must be at least 2"),
        (("learn.forecast.width=0",), "learn.forecast: width is 0, but must be at least 1"),
        (("learn.response.epochs=0",), "learn.response: epochs is 0, but must be at least 1"),
        (("satisfaction.memory=1.5",), "memory is 1.5, but must lie between 0 and"),
        (("candidates.count=0",), "count is 0, but candidates are 1 to 98"),
    ],
)
def test_what_is_wrong_is_told(command: Command, arguments: tuple[str, ...], message: str) -> None:
    # What is simulated are knobs of one data set alone.
    given = TINY[:1] if arguments[0].startswith("data=") else TINY
    said = command(*given, *arguments)
    assert said.status == 1
    assert re.search(message, " ".join(said.err.split())), said
