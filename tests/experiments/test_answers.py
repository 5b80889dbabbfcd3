"""A trained model put to use on a log: what it recommends and how it ranks, part by part."""

import json
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import urep_jax
from experiments.negative_feedback.beginning import continued
from tests.experiments.command import SMALL, Command
from urep_jax.data.vocabulary import Vocabulary

RADIO = ("data=radio", SMALL[1])


def test_every_listener_is_recommended_something_and_a_stopped_run_goes_on(
    command: Command, run_folder: Path, tmp_path: Path
) -> None:
    call = (*RADIO, "task=recommend", f"task.run={run_folder}", "task.k=3", "task.block=64")
    said = command(*call)
    assert said.status == 0, said.err
    assert "150 listeners" in said.out
    knows = re.search(
        r"the model in \S+ knows ([\d,]+) of the ([\d,]+) items and (\d+) of the \3 stations in these ev", said.out
    )
    assert knows is not None
    vocabulary = urep_jax.restore(run_folder).vocabulary
    assert int(knows[1].replace(",", "")) == len(vocabulary.item_ids) < int(knows[2].replace(",", ""))
    parts = sorted((tmp_path / "run" / "recommendations").glob("*.parquet"))
    assert [path.name for path in parts] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    whole = pq.read_table(tmp_path / "run" / "recommendations")
    assert whole.column_names == ["user_id", "station_id", "place", "item_id", "score"]
    assert 140 < len(whole["user_id"].unique()) <= 150, "all but those who did nothing at all"
    assert set(whole["place"].to_pylist()) == {1, 2, 3}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["recommendations"] == len(whole)

    # As if it had been killed in its second part.
    (tmp_path / "run" / "metrics.json").unlink()
    parts[1].unlink()
    before = parts[0].stat().st_mtime_ns
    assert command(*call).status == 0
    assert parts[0].stat().st_mtime_ns == before
    assert pq.read_table(tmp_path / "run" / "recommendations").equals(whole)
    other = command(*(word.replace("task.k=3", "task.k=4") for word in call))
    assert other.status == 1
    assert "task.k was 3 and is now 4" in other.err


def test_only_the_named_items_are_recommended(command: Command, run_folder: Path, tmp_path: Path) -> None:
    wanted = urep_jax.restore(run_folder).vocabulary.item_ids[:5]
    csv.write_csv(pa.table({"item_id": wanted}), tmp_path / "wanted.csv")
    said = command(
        *(*RADIO, "task=recommend", f"task.run={run_folder}", f"task.only={tmp_path / 'wanted.csv'}"),
        "task.leave_out=nothing",
    )
    assert said.status == 0, said.err
    assert "knows 5 of the 5 items in wanted.csv" in said.out
    found = pq.read_table(tmp_path / "run" / "recommendations")
    assert set(found["item_id"].to_pylist()) == set(wanted.to_pylist())


def test_candidates_are_ranked(command: Command, run_folder: Path, tmp_path: Path) -> None:
    asked = tmp_path / "asked.parquet"
    model = urep_jax.restore(run_folder)
    items = model.vocabulary.item_ids[:4].to_pylist()
    rows = [
        {"user_id": user, "station_id": station, "item_id": item, "more": 1.5}
        for item in items
        for user in ("listener 7", "listener 3", "stranger")
        for station in model.vocabulary.station_ids[:2].to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows), asked)
    said = command(*RADIO, "task=rank", f"task.run={run_folder}", f"task.candidates={asked}", "task.block=4")
    assert said.status == 0, said.err
    assert "24 candidates" in said.out
    assert len(list((tmp_path / "run" / "ranking").glob("*.parquet"))) == 2, "six listeners on stations, four to a part"
    assert not (tmp_path / "run" / "candidates.parquet").exists()
    ranked = pq.read_table(tmp_path / "run" / "ranking").to_pylist()
    assert len(ranked) == 24
    nobody = {"item_id": [], "feedback": []}
    station = model.vocabulary.station_ids[0].as_py()
    found = [row["item_id"] for row in ranked if (row["user_id"], row["station_id"]) == ("stranger", station)]
    assert found == model.rank(nobody, items, station).items


def test_a_stopped_ranking_goes_on_and_other_candidates_are_refused(
    command: Command, run_folder: Path, tmp_path: Path
) -> None:
    asked, folder = tmp_path / "asked.csv", tmp_path / "run"
    rows = [f"listener {user},track {item},station 0\n" for user in range(6) for item in range(3)]
    call = (*RADIO, "task=rank", f"task.run={run_folder}", f"task.candidates={asked}", "task.block=2")

    asked.write_text("".join(["user_id,item_id,station_id\n", *rows, ",track 1,station 0\n"]))
    said = command(*call)
    assert said.status == 1
    assert "1 candidates have no user_id, the first in row 19; take them out" in said.err
    asked.write_text("".join(["user_id,item_id,station_id\n", *rows]))
    assert command(*call).status == 0, "what was refused has left nothing in the way"

    whole = pq.read_table(folder / "ranking")
    (folder / "metrics.json").unlink()
    (folder / "ranking" / "part-00001.parquet").unlink()
    assert command(*call).status == 0
    assert pq.read_table(folder / "ranking").equals(whole)
    assert command(*call).out.startswith("this run has ended before")

    (folder / "metrics.json").unlink()
    asked.write_text("".join(["user_id,item_id,station_id\n", *rows[1:]]))
    said = command(*call)
    assert said.status == 1
    assert "holds answers made from other inputs" in said.err


def test_ids_are_read_as_the_events_are(command: Command, run_folder: Path, tmp_path: Path) -> None:
    events = [
        f"00{user},{item:03},{day * 86400},{'up' if item % 2 else 'down'}\n"
        for user in range(9)
        for item, day in enumerate(range(9))
    ]
    known = urep_jax.restore(run_folder).vocabulary.item_ids[0].as_py()
    (tmp_path / "logs.csv").write_text(
        "".join(["user_id,item_id,timestamp,feedback\n", *events, f"000,{known},1,up\n"])
    )
    (tmp_path / "asked.csv").write_text(f"user_id,item_id\n007,001\n 007 , {known} \n7,001\n")
    data = ("data=interactions", f"data.path={tmp_path / 'logs.csv'}")
    said = command(*data, "task=rank", f"task.run={run_folder}", f"task.candidates={tmp_path / 'asked.csv'}")
    assert said.status == 0, said.err
    ranked = pq.read_table(tmp_path / "run" / "ranking")
    assert ranked["user_id"].to_pylist() == ["007", "007", "7"]
    assert "knows 1 of the 10 items in these events" in said.out
    assert "knows 1 of the 2 items in asked.csv" in said.out
    assert "2 listeners, 1 unknown listeners, 2 items, 1 unknown items, 3 candidates" in said.out
    assert ranked["item_id"].to_pylist() == [known, "001", "001"], "what is unknown comes last"
    assert ranked["score"].is_null().to_pylist() == [False, True, True]


def test_a_run_begins_with_another_ones_parameters(command: Command, run_folder: Path, tmp_path: Path) -> None:
    tiny, earlier = (*SMALL, "train.epochs=1", "baselines=[]"), tmp_path / "earlier"
    shutil.copytree(run_folder, earlier)
    begun = (*tiny, "seed=1", f"train.init_from={earlier}")
    said = command(*begun)
    assert said.status == 0, said.err
    assert re.search(
        rf"the model in {earlier} knows [\d,]+ of the [\d,]+ items and (\d+) of the \1 st.* in the tr", said.out
    )
    other = command(*tiny, "model.item_bias=true", f"train.init_from={run_folder}", folder=tmp_path / "other")
    assert other.status == 1
    assert "rows of the item table have 9 numbers, and 8 in the old model" in other.err

    # Once begun, a run goes on without the one that it began with; another can't begin.
    shutil.rmtree(earlier)
    metrics = tmp_path / "run" / "metrics.json"
    ended = metrics.read_text()
    metrics.unlink()
    said = command(*begun)
    assert said.status == 0, said.err
    assert metrics.read_text() == ended
    anew = command(*begun, folder=tmp_path / "anew")
    assert anew.status == 1
    assert f"{earlier} is no folder" in anew.err


def test_a_model_that_knows_nothing_of_it_is_refused(command: Command, run_folder: Path, tmp_path: Path) -> None:
    logs, strangers = tmp_path / "logs.csv", tmp_path / "strangers.csv"
    logs.write_text("user_id,item_id,timestamp,feedback\na,1,1,up\na,2,2,down\n")
    strangers.write_text("user_id,item_id\na,7\n")
    own = ("data=interactions", f"data.path={logs}", f"task.run={run_folder}")
    for asked, told in (
        (("task=recommend", *own), "knows none of the 2 items in these events: they are called such as '1', and"),
        (
            ("task=recommend", *RADIO, f"task.run={run_folder}", f"task.only={strangers}"),
            "of the 1 items in strangers.c",
        ),
        (
            ("task=rank", *RADIO, f"task.run={run_folder}", f"task.candidates={strangers}"),
            "such as '7', and those that",
        ),
    ):
        said = command(*asked)
        assert said.status == 1
        assert told in said.err
        assert not list((tmp_path / "run").rglob("*.parquet"))

    vocabulary = Vocabulary(pa.array(["1", "2"]), *[pa.array([], pa.string())] * 2)
    with pytest.raises(ValueError, match="knows none of the 2 items in the training events"):
        continued(run_folder, vocabulary, Console(quiet=True))({})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["task=recommend"], "task=recommend needs task.run=FOLDER"),
        (["task=rank", "task.run=RUN"], "task=rank needs task.candidates=FILE"),
        (["task=rank", "task.run=RUN", "task.candidates=nowhere.csv"], "nowhere.csv does not exist"),
        (["task=rank", "task.run=RUN", "task.candidates=README.md"], "README.md can't be read as CSV"),
        (["task=recommend", "task.run=RUN", "task.block=0"], "task.block is 0, but must be at least 1"),
        (["task=recommend", "task.run=RUN", "task.leave_out=all"], "leave_out is 'all', but must be one of ups"),
        (["task=recommend", "task.run=nowhere"], "nowhere is no folder"),
    ],
)
def test_what_is_missing_is_told(command: Command, run_folder: Path, arguments: list[str], told: str) -> None:
    said = command(*RADIO, *(word.replace("=RUN", f"={run_folder}") for word in arguments))
    assert said.status == 1
    assert told in said.err
