"""The README's how-tos, run as they are printed."""

import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.experiments.command import ROOT, SMALL, Command
from urep_jax.core.types import Feedback
from urep_jax.data.prepare import prepare


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path, with the README's modules in it."""
    blocks = re.findall(r"```python\n(# (my_\w+\.py), for: .*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [name for _, name in blocks] == ["my_losses.py", "my_metrics.py", "my_data.py"]
    for text, name in blocks:
        assert len(text.splitlines()) <= 25
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for _, name in blocks:
        sys.modules.pop(name.removesuffix(".py"), None)


def test_a_loss_and_a_metric_of_ones_own(command: Command, modules: Path, tmp_path: Path) -> None:
    own = ("loss=my_losses.hinge", "metrics=[my_metrics.top_100]", "baselines=[popularity]")
    right = (modules / "my_metrics.py").read_text()
    (modules / "my_metrics.py").write_text("def top_100(scorer, log, cases):\n    return 0.5\n")
    wrong = command(*SMALL, *own)
    assert wrong.status == 1
    assert "the metric top_100 returned float, but must return a ByUser" in wrong.err
    assert not (tmp_path / "run" / "history.jsonl").exists(), "nothing was trained"

    (modules / "my_metrics.py").write_text(right)
    sys.modules.pop("my_metrics")
    said = command(*SMALL, *own)
    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 <= metrics["top_100"] <= 1
    assert metrics["popularity/top_100"] > metrics["popularity/recall_up@10"]
    assert re.search(r"metrics of your own\s+top 100\s+─+\s+model +\.\d+ ±\.\d+\s+popularity", said.out)
    assert "| top 100 |" in (tmp_path / "run" / "report.md").read_text()


def test_a_data_set_of_ones_own(command: Command, modules: Path, tmp_path: Path) -> None:
    ((text, name),) = re.findall(r"```yaml\n(# FOLDER/(\S+)\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    config, plays = tmp_path / "own" / name, tmp_path / "plays.csv"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    plays.write_text("user_id,song,timestamp,feedback\nann,1,60,love\nann,2,120,ban\nbob,1,60,skip\n")
    said = command(f"--config-dir={tmp_path}/own", "data=mine", f"data.path={plays}", "data.stats=true")
    assert said.status == 0, said.err
    assert "mine" in said.out

    log = prepare(sys.modules["my_data"].MineConfig(path=str(plays)), tmp_path / "workspace")
    assert log.item_ids.to_pylist() == ["1", "2"]
    assert [Feedback(code).word for code in log.feedback] == ["up", "down", "skip"]


def test_logs_of_ones_own(command: Command, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    (block,) = re.findall(
        r"```bash\n(python -m experiments.run data=interactions data.path=logs/ \\.*?)```", readme, re.DOTALL
    )
    (tmp_path / "logs").mkdir()
    rows = ["ann,1,60,thumb_up,radio", "ann,2,120,down,radio", "bob,1,60,skip,radio", "bob,1,90,skip,album"]
    (tmp_path / "logs" / "a.csv").write_text("\n".join(["user_id,song,ts,feedback,context", *rows]) + "\n")
    arguments = shlex.split(block.replace("\\\n", " "))[3:]
    (only,) = re.findall(r"`(data.source.where=[^`]*)`", readme)
    where = [word.replace("data.path=logs/", f"data.path={tmp_path}/logs") for word in arguments]
    said = command(*where, only, "data.stats=true")
    assert said.status == 0, said.err
    assert "1:1:1" in said.out, "all but the skip of an album"
    for mistake in ("data.source.where=radio", "data.source.thresholds=4"):
        wrong = command(*where, mistake, "data.stats=true")
        assert wrong.status == 1
        assert "(in data.source)" in wrong.err


def test_a_delimiter_of_ones_own_and_rows_that_are_left_out(command: Command, tmp_path: Path) -> None:
    (delimiter,) = re.findall(r"`'(data.source.text.delimiter=[^`]*)'`", (ROOT / "README.md").read_text())
    rows = [f"ann;{number};{number};up" for number in range(198)]
    (tmp_path / "a.csv").write_text(
        "\n".join(["user_id;item_id;timestamp;feedback", *rows, "bob;;1;up", "bob;1;2;love", ""])
    )
    (tmp_path / "items.csv").write_text("song;artist_id\n1;x\n")
    said = command(
        *("data=interactions", f"data.path={tmp_path}/a.csv", delimiter, "data.stats=true"),
        *(
            f"data.source.companions={{items: {tmp_path}/items.csv}}",
            "data.source.companion_columns={items: {item_id: song}}",
        ),
    )
    assert said.status == 0, said.err
    assert said.out.startswith(
        "2 of 200 rows were left out (1: the feedback must be one of up, down, skip, play; 1: the i"
    )
    (file,) = re.findall(r"see (\S+)\n", said.out)
    assert len(Path(file).read_text().splitlines()) == 3
    assert (Path(file).parent / "items.parquet").is_file()


def test_ratings_of_ones_own(command: Command, tmp_path: Path) -> None:
    (thresholds,) = re.findall(r"`'(data.source.thresholds=[^`]*)'`", (ROOT / "README.md").read_text())
    (tmp_path / "a.csv").write_text("user_id,item_id,timestamp,rating\nann,1,1,5\nann,2,2,3\nann,3,3,1\nbob,3,9,4\n")
    said = command("data=interactions", f"data.path={tmp_path}/a.csv", thresholds, "data.stats=true")
    assert said.status == 0, said.err
    assert "2:1:1" in said.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["loss=nowhere.hinge"], "loss is 'nowhere.hinge', and No module named 'nowhere'"),
        (["loss=math.pi"], "loss is 'math.pi', which is no function"),
        (["metrics=[math.hinge]"], "metrics is 'math.hinge', and module 'math' has no attribute 'hinge'"),
    ],
)
def test_a_function_that_is_not_there_is_told(command: Command, arguments: list[str], told: str) -> None:
    said = command(*SMALL, *arguments)
    assert said.status == 1
    assert told in said.err
