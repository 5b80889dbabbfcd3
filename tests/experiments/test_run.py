"""The command line as its user meets it: `python -m experiments.run`, whole, on a radio of 150 listeners."""

import json
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import matplotlib.image
import numpy as np
import pytest
import yaml
from tensorboardX.proto.event_pb2 import Event

from experiments.folder import alone_in
from tests.experiments.command import NEGATIVE, ROOT, SMALL, Command

METRICS = ("pair_accuracy", "random_pair_accuracy", "mrr_up", "mrr_down", "recall_up@10", "recall_down@10")


def test_help_is_the_projects_own(command: Command) -> None:
    said = command("--help")
    assert said.status == 0
    for told in ("python -m experiments.run -m model.width=60,120", "movielens_1m", "UREP_DATA", "onboarding_days: 90"):
        assert told in said.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["p_hrd=0"], ["negative_feedback", "did you mean p_hard?", "p_task", "k_negatives", "max_length"]),
        (["model.depth=3"], ["model has no knob 'depth'", "width, blocks, heads"]),
        (["+model.depth=3"], ["model has no knob 'depth'"]),
        (["+data.path=logs"], ["data has no knob 'path' with data=radio, but with data=interactions, data=lastfm_1k"]),
        (["++task.run=RUN"], ["task has no knob 'run' with task=train, but with task=embed_audio, task=embed_u"]),
        (["+p_hard=0"], ["+p_hard adds what is there already; leave out the +"]),
        (["~p_hard"], ["~p_hard takes away what the experiment reads"]),
        (["~sweep"], ["~sweep names a group, which always has one option: sweep=NAME"]),
        (["data.source.params.num_tracks=9"], ["+data.source.params.num_tracks=... gives RadioParams another"]),
        (["+data.source.wrld=0"], ["unexpected keyword argument 'wrld'", "(in data.source)"]),
        (["p_hard=0,", "1"], ["'1' sets no knob; write KNOB=VALUE"]),
        (["p_hard=0", "--confg-dir", "FOLDER"], ["there is no flag --confg-dir; --hydra-help tells"]),
        (["-cd"], ["--config-dir", "no folder"]),
        (["data.name.first=x"], ["data.name is a value, radio by default"]),
        (["--config-dir", "nowhere"], ["--config-dir is 'nowhere', which is no folder"]),
        (["data.source.wrld=1"], ["data.source has no knob 'wrld' (did you mean world?)"]),
        (["model.width=wide"], ["model.width is 'wide', but must be a whole number; it is 64 by default"]),
        (["train.batch_size=1.5"], ["train.batch_size is 1.5, but must be a whole number"]),
        (["seed=true"], ["seed is True, but must be a whole number"]),
        (["-m", "p_hard=0,much"], ["p_hard is 'much', but must be a number"]),
        (["inputs=up"], ["inputs is 'up', but must be a list, such as [a,b]"]),
        (["inputs=[up"], ["inputs=[up can't be read; close what is open"]),
        (["train.init_from=p_hard=0,seed=0"], ["quote a value", """'train.init_from="p_hard=0,seed=0"'"""]),
        (["data.source.world=first"], ["data.source.world is 'first', but must be a whole number; it is ${seed} by"]),
        (["data.protocol=[pairs]"], ["data.protocol is ['pairs'], but must be a single value; it is pairs by default"]),
        (["data=movielens"], ["data=movielens does not exist", "movielens_1m", "radio", "interactions"]),
        (["experiment=positive"], ["experiment=positive does not exist", "negative_feedback"]),
        ([*SMALL, "p_hard=2"], ["p_hard is 2, but must be between 0 and 1"]),
        ([*SMALL, "loss=hinge"], ["loss is 'hinge', but must be one of bce, bpr, gbce, sampled_softmax, softmax"]),
        ([*SMALL, "loss=softmax"], ["p_hard is 1.0", "every item is a negative already", "set p_hard=0"]),
        ([*SMALL, "loss=softmax", "p_hard=0", "k_negatives=2"], ["k_negatives is 2", "draws none"]),
        (
            [SMALL[1], "data.split._target_=urep_jax.data.splits.TimeCut", "~data.split.min_events"],
            ["TimeCut leaves no validation case with a pair", "PaperSplit"],
        ),
        ([*SMALL, "train.epochs=0"], ["epochs is 0, but must be at least 1"]),
        (["data.source.params.num_listeners=0"], ["num_listeners is 0", "(in data.source)"]),
        ([*SMALL, "data.split.test_days=0"], ["test_days is 0", "(in data.split)"]),
        (["data=interactions"], ["interactions needs data.path=..."]),
        (["data=interactions", "data.stats=true"], ["interactions needs data.path=..."]),
        (["data=interactions", "data.source.text=::"], ["data.source.text is '::', but must be a mapping"]),
        (["data=interactions", "data.path=nowhere"], ["nowhere doesn't exist", "Parquet or CSV"]),
    ],
    ids=lambda words: words[-1] if "=" in words[-1] and " " not in words[-1] else "",
)
def test_a_mistake_is_told_in_one_line(command: Command, arguments: list[str], told: list[str]) -> None:
    said = command(*([] if any(word.startswith("experiment=") for word in arguments) else [NEGATIVE]), *arguments)
    assert said.status == 1
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1, "one line, and no traceback"
    for words in told:
        assert words in said.err


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        ("p_hard=2", "p_hard is 2"),
        ("model.heads=7", "width is 64, but must be a multiple of heads, 7"),
        ("model.attention=causal", "p_hard is 1.0 with tasks='next' (causal attention)"),
        ("ablation=tail", "ablation is 'tail'"),
        ("baselines=[slim]", "baselines names 'slim'"),
        ("loss=json.hinge", "loss is 'json.hinge'"),
        ("loss=math.sqrt", "the loss can't be called as loss(positive, negatives, where)"),
        ("metrics=[my.metric]", "metrics is 'my.metric'"),
        ("metrics=[json.loads,yaml.loads]", "metrics names 'yaml.loads', but there is a metric loads already"),
        ("train.init_from=nobody", "nobody is no folder"),
    ],
)
def test_knobs_are_looked_at_before_the_data(command: Command, mistake: str, told: str) -> None:
    """Hours may go into the preparation of data."""
    said = command(NEGATIVE, "data=interactions", "data.path=nowhere", mistake)
    assert said.status == 1
    assert told in said.err


def test_a_relative_path_is_looked_up_in_urep_data(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UREP_DATA", str(tmp_path))
    (tmp_path / "logs.csv").write_text("user_id,item_id,timestamp,feedback\nann,a,1,up\nann,b,2,skip\n")
    said = command("data=interactions", "data.path=logs.csv", "data.name=mine", "data.stats=true")
    assert said.status == 0, said.err
    assert "mine" in said.out
    assert "+, /" in said.out


def test_stats_describe_the_data_and_nothing_is_run(command: Command, tmp_path: Path) -> None:
    said = command("data.stats=true", *SMALL)
    assert said.status == 0, said.err
    assert "latest 20 of a user" in said.out, "SMALL has max_length=20"
    for row in ("Granularity", "Ratio of +:/:−", "Median seq. length", "No. of sequences", "Sequences with no up"):
        assert row in said.out
    assert not [path for path in (tmp_path / "run").rglob("*") if path.is_file()]


def test_a_run_is_not_continued_on_other_data(command: Command, tmp_path: Path) -> None:
    rows = [
        f"{user},{item},{day * 86400 + item},{word}"
        for user in range(40)
        for day in range(8)
        for item, word in ((user % 7, "up"), (7 + user % 5, "down"))
    ]
    csv, folder = tmp_path / "logs.csv", tmp_path / "run"
    arguments = [
        NEGATIVE,
        "data=interactions",
        f"data.path={csv}",
        "data.split.test_days=1",
        *SMALL[3:],
        "baselines=[]",
    ]
    csv.write_text("\n".join(["user_id,item_id,timestamp,feedback", *rows, "1,,0,up", ""]))
    assert command(*arguments).status == 0
    told = r"\n1 of 641 rows were left out \(1: the item id is missing\), see \S+/rejects\.csv\.\n$"
    assert re.search(told, (folder / "report.md").read_text())
    (folder / "metrics.json").unlink()
    kept = {path: path.read_bytes() for path in folder.rglob("*.arrow")}
    csv.write_text("\n".join(["user_id,item_id,timestamp,feedback", *rows, "40,99,0,up", ""]))
    said = command(*arguments)
    assert said.status == 1
    for words in ("holds a run on other data", "640 events", "now 641", "hydra.run.dir=..."):
        assert words in said.err
    assert {path: path.read_bytes() for path in folder.rglob("*.arrow")} == kept, "the vocabulary is as it was"


def test_a_whole_run(command: Command, tmp_path: Path) -> None:
    """The default experiment, shrunk: what it leaves, and what the same and another command in its folder do."""
    folder = tmp_path / "run"
    said = command(*SMALL)
    assert said.status == 0, said.err
    assert said.out.endswith(f"run folder: {folder}\n")

    left = {path.name for path in folder.iterdir() if not path.name.startswith("events.out.tfevents.")}
    assert left == {
        *("config.yaml", "versions.json", "data.json", "metrics.json", "history.jsonl", "report.md"),
        *("table1.json", "users.parquet", "checkpoints", "figures", "vocabulary", "positive_only", ".lock"),
    }
    check_metrics(json.loads((folder / "metrics.json").read_text()))
    check_config(folder)
    check_history(folder)
    check_history(folder / "positive_only")
    check_figures(folder)

    table = said.out[said.out.index("negative_feedback on radio") :]
    before = stamps(folder)
    again = command(*SMALL, "train.readers=2")
    assert again.status == 0, again.err
    assert again.out == f"this run has ended before; its results are\n{table}"

    for knob, told in (("p_hard=0.5", "p_hard was 1.0 and is now 0.5"), ("baselines=[]", "baselines was")):
        other = command(*SMALL, knob)
        assert other.status == 1
        assert told in other.err
        assert "hydra.run.dir" in other.err
    assert stamps(folder) == before

    # What is only tested may change until the run has ended: an error there costs no training.
    (folder / "metrics.json").unlink()
    fewer = command(*SMALL, "baselines=[popularity]")
    assert fewer.status == 0, fewer.err
    assert yaml.safe_load((folder / "config.yaml").read_text())["baselines"] == ["popularity"]
    assert len((folder / "history.jsonl").read_text().splitlines()) == 2, "nothing was trained anew"


def check_metrics(metrics: dict[str, float]) -> None:
    names = [prefix + name for prefix in ("", "popularity/", "like_rate/", "positive_only/") for name in METRICS]
    for name in names:
        assert 0 <= metrics[name] <= 1
        assert 0 <= metrics[f"{name}_ci95"] < 0.5
    assert metrics["epochs_to_convergence"] in (1, 2)
    coverage = [metrics[f"coverage/{inputs}"] for inputs in ("up", "up_down", "up_skip", "up_down_skip")]
    assert 0 < coverage[0] <= min(coverage[1:3]) <= max(coverage[1:3]) <= coverage[3] <= 1
    assert metrics["popularity/random_pair_accuracy"] > 0.6, "popular tracks are heard more often than random ones"


def check_config(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["max_length"], config["p_hard"], config["data"]["name"]) == (20, 1.0, "radio")
    assert "${" not in (folder / "config.yaml").read_text()
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["packages"]["jax"] == jax.__version__
    # A checkout without its git folder, such as an unpacked archive, has no commit to tell.
    if (ROOT / ".git").exists():
        assert re.fullmatch(r"[0-9a-f]{40}(\+changes)?", versions["git"])


def check_history(folder: Path) -> None:
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [epoch["epoch"] for epoch in history] == [1, 2]
    (board,) = folder.glob("events.out.tfevents.*")
    values = [(event.step, value) for event in events(board.read_bytes()) for value in event.summary.value]
    told = {(step, value.tag): value.simple_value for step, value in values}
    for epoch in history:
        for name in ("loss", "validation"):
            assert told[epoch["step"], name] == pytest.approx(epoch[name], rel=1e-6)


def check_figures(folder: Path) -> None:
    report = (folder / "report.md").read_text()
    metrics = json.loads((folder / "metrics.json").read_text())
    assert f"| up, down, skip | {metrics['coverage/up_down_skip']:.1%} |" in report
    figures = sorted((folder / "figures").glob("*.png"))
    assert [path.name for path in figures] == ["compared.png", "hard_negative_sources.png", "training.png"]
    for path in figures:
        assert f"(figures/{path.name})" in report
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) >= 200
        assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 50, "more than a frame"


def events(record: bytes) -> Iterator[Event]:
    """The events of a TensorBoard file: each has its length and a checksum before it, and a checksum after it."""
    while record:
        (length,) = struct.unpack("<Q", record[:8])
        yield Event.FromString(record[12 : 12 + length])
        record = record[16 + length :]


def stamps(folder: Path) -> dict[Path, int]:
    """When each of a run's results was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name in ("config.yaml", "metrics.json")}


def test_sigterm_saves_says_so_and_ends_with_its_own_status(workspace: Path, tmp_path: Path) -> None:
    endless = (*SMALL, "train.epochs=1000", "train.patience=1000")
    places = (f"workspace={workspace}", f"hydra.run.dir={tmp_path}")
    call = [sys.executable, "-m", "experiments.run", *endless, *places]
    with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if "epoch 3/" in line)
        run.send_signal(signal.SIGTERM)
        out, err = run.communicate()
    assert run.returncode == 128 + signal.SIGTERM
    assert f"stopped, and saved; the same command with hydra.run.dir={tmp_path} goes on" in " ".join(out.split())
    assert "Traceback" not in err
    assert list((tmp_path / "checkpoints").iterdir())
    assert not (tmp_path / "metrics.json").exists()


def test_two_processes_do_not_work_in_one_folder(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with alone_in(folder):
        before = sorted(folder.iterdir())
        said = command(*SMALL, folder=folder)
        assert said.status == 1
        assert f"another process is at work in {folder}; wait until it has ended" in said.err
        assert sorted(folder.iterdir()) == before
    with alone_in(folder):
        pass
