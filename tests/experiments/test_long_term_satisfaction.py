"""`experiment=long_term_satisfaction`, shrunk: forty listeners, two worlds, a few updates of narrow networks."""

import json
import re
from pathlib import Path
from typing import Any

import jax
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from experiments.long_term_satisfaction import training
from experiments.report.claims.weeks import WEEKS
from experiments.report.runs import read_runs
from experiments.tables import short
from tests.agents.tiny import NETWORK, PARAMS, tiny_world
from tests.experiments.command import Command
from urep_jax.agents import dqn, ppo
from urep_jax.agents.dqn import DqnConfig
from urep_jax.agents.ppo import PpoConfig
from urep_jax.agents.views import OBSERVED, on_top_of

TINY = (
    "experiment=long_term_satisfaction",
    *("data.source.params.num_users=40", "+data.source.params.num_tracks=90", "+data.source.params.num_artists=30"),
    *("+data.source.params.num_shows=8", "+data.source.params.num_genres=5", "+data.source.params.num_topics=3"),
    *("worlds=2", "satisfaction.weeks=1.0", "candidates.count=20", "network.width=4", "network.hidden=8"),
    *(f"learn.{name}.updates=4" for name in ("myopic", "dqn", "ppo", "oracle")),
    *(f"learn.{name}.listeners=8" for name in ("myopic", "dqn", "ppo", "oracle")),
    *(f"learn.{name}.steps=8" for name in ("myopic", "dqn", "ppo", "oracle")),
    "judge.listeners=16",
)


def test_the_whole_experiment_and_what_it_leaves_behind(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "whole"
    said = command(*TINY, folder=folder)
    assert said.status == 0, said.err
    metrics = json.loads((folder / "metrics.json").read_text())
    agents = ("random", "popular", "myopic", "rotate", "dqn", "ppo", "oracle")
    for agent in agents:
        assert 0 <= metrics[f"total_satisfaction/{agent}"] <= 1, "one week"
        assert 0 <= metrics[f"return_rate/{agent}"] <= 1
        assert metrics[f"total_satisfaction/{agent}_ci95"] > 0
    assert metrics["over_myopic/oracle"] == pytest.approx(
        metrics["total_satisfaction/oracle"] - metrics["total_satisfaction/myopic"]
    )
    assert metrics["total_satisfaction/oracle"] > metrics["total_satisfaction/random"]
    for circumstances in ("new_listeners", "new_items"):
        for agent in ("myopic", "dqn", "ppo", "oracle"):
            assert 0 <= metrics[f"{circumstances}/total_satisfaction/{agent}"] <= 1
    report = (folder / "report.md").read_text()
    assert all(f"| {agent} |" in report for agent in agents)
    for name in ("satisfaction", "ups"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 5_000
        assert (folder / "figures" / f"{name}.csv").read_text().count("\n") == 1 + len(agents)
    users = pq.read_table(folder / "users.parquet")
    assert len(users) == 2 * (16 + 16), "as many new listeners as known ones, in two worlds"
    for circumstances, name in (("model", ""), ("new_listeners", "new_listeners/"), ("new_items", "new_items/")):
        satisfied = users[f"{circumstances}/total_satisfaction/ppo"].drop_null().to_numpy()
        assert len(satisfied) == 2 * 16
        assert satisfied.mean() == pytest.approx(metrics[f"{name}total_satisfaction/ppo"], rel=1e-5)
    assert "long-term satisfaction" in said.out
    again = command(*TINY, folder=folder)
    assert "this run has ended before" in again.out

    runs = read_runs([folder])
    weeks = WEEKS.measure(runs)
    assert weeks is not None
    told = WEEKS.tell({"streaming-agents": weeks})
    assert "### 2 worlds\n" in told
    assert f"| ppo | {estimate_of(metrics, 'total_satisfaction/ppo')} |" in told
    assert "control" not in weeks
    assert WEEKS.draw is not None
    WEEKS.draw({"streaming-agents": weeks}, tmp_path / "weeks.svg")
    drawn = (tmp_path / "weeks.svg").read_text()
    assert all(f">{agent}<" in drawn for agent in agents)


def estimate_of(metrics: dict[str, float], name: str) -> str:
    return f"{short(metrics[name], 2)} ±{short(metrics[f'{name}_ci95'], 2)}"


def test_a_run_that_was_stopped_goes_on_to_the_same_end(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (*TINY, "agents=[myopic,ppo]")
    assert command(*arguments, folder=tmp_path / "whole").status == 0
    pieces = training.side_by_side
    done = []

    def stopped(*args: Any) -> Any:
        done.append(1)
        if len(done) == 8:  # the first is that they are compiled, the next four are the myopic agent's
            raise KeyboardInterrupt
        return pieces(*args)

    monkeypatch.setattr(training, "SECONDS_TO_LOSE", 0.0)
    monkeypatch.setattr(training, "side_by_side", stopped)
    with pytest.raises(KeyboardInterrupt):
        command(*arguments, folder=tmp_path / "stopped")
    assert {path.name for path in (tmp_path / "stopped" / "agents").iterdir()} == {"myopic", "ppo"}
    monkeypatch.setattr(training, "side_by_side", pieces)
    assert command(*arguments, folder=tmp_path / "stopped").status == 0
    ends = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("whole", "stopped")]
    assert ends[0] == ends[1]


def test_what_was_compiled_side_by_side_is_what_trains(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small: Any = {"network": NETWORK, "listeners": 4, "steps": 4, "updates": 2, "minibatches": 2, "epochs": 1}
    myopic = training.Course("myopic", dqn.update, OBSERVED, DqnConfig(**small), PARAMS)
    ahead = training.Course("ppo", ppo.update, on_top_of(OBSERVED, NETWORK, 1.0), PpoConfig(**small), PARAMS, myopic)
    keys = list(jax.random.split(jax.random.key(0)))
    gym = training.Gym(keys, [tiny_world()] * 2, tmp_path, Console(quiet=True))

    def compiled() -> int:
        return sum("Finished XLA compilation of jit(_go_on)" in line for line in caplog.messages)

    jax.config.update("jax_log_compiles", True)  # of all threads, unlike `jax.log_compiles`
    try:
        gym.compile([myopic, ahead])
        assert compiled() == 2
        gym.train(ahead, gym.train(myopic, [(), ()]))
    finally:
        jax.config.update("jax_log_compiles", False)
    assert compiled() == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("data=movielens_1m",), "data is movielens_1m, but .* simulated; take data=streaming"),
        (("agents=[random,greedy]",), "agents names 'greedy', but there are: random, popular, myopic"),
        (("judge.listeners=21",), "judge.listeners is 21, but must lie between 1 and 20, half of the users"),
        (("judge.new_items=1.0",), "judge.new_items is 1.0, but must lie between 0 and 0.9"),
        (("worlds=0",), "worlds is 0, but must be at least 1"),
        (("satisfaction.memory=1.5",), "memory is 1.5, but must lie between 0 and"),
        (("candidates.count=0",), "count is 0, but candidates are 1 to"),
    ],
)
def test_what_is_wrong_is_told(command: Command, arguments: tuple[str, ...], message: str) -> None:
    # What is simulated are knobs of one data set alone.
    given = TINY[:1] if arguments[0].startswith("data=") else TINY
    said = command(*given, *arguments)
    assert said.status == 1
    assert re.search(message, " ".join(said.err.split())), said
