"""The chain on a shrunk streaming service, through the command."""

import csv
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.freshness import main as worth_of_freshness
from benchmarks.nearness import main as nearness
from experiments.folder import RunFolder
from experiments.tables import short
from experiments.user_representation.all_tasks import ALL
from experiments.user_representation.session_moments import GROUPS
from tests.experiments.command import Command
from tests.experiments.user_representation.put_to_use import embed, encode_content, exported_users, ranked_by_another
from tests.experiments.user_representation.small import SMALL
from tests.notebooks import execute
from urep_jax.data.user_features.space import load_space
from urep_jax.serving.preference import restore_preference
from urep_jax.serving.restore import restore, restore_encoder


def test_the_whole_chain(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = f"evaluation.tasks=[{','.join(ALL)}]"
    every = ("experiment=user_representation_every_task", *SMALL[1:], "two_tower.index=HNSW32", tasks)
    said = command(*every)
    assert said.status == 0, said.err
    run = tmp_path / "run"
    metrics = json.loads((run / "metrics.json").read_text())
    assert np.isfinite(list(metrics.values())).all()
    for task, names in {
        "future_listening": ("z_u", "average", "pca", "nmf", "lightfm", "popularity"),
        "cold_start/not_completed": ("z_u", "average", "pca", "popularity", "demographic_popularity"),
    }.items():
        for name in names:
            assert 0 <= metrics[f"{task}/{name}/auc"] <= 1
            assert metrics[f"{task}/{name}/accuracy_ci95"] > 0
    for name in ("with", "without", "popularity"):
        assert 0 <= metrics[f"artist_preference/{name}/auc"] <= 1
    _candidates(metrics, run)
    _nearness(metrics, run, capsys)
    _cost(metrics, run)
    _ab_test(metrics, run)
    _movement(metrics)
    _freshness(metrics, run, capsys)
    _retraining(metrics)
    _map(run)
    for days in (0, 7):
        assert 0 <= metrics[f"since_registration/{days}/not_completed/z_u/auc"] <= 1
    plans = [metrics[f"strata/plan/{plan}/z_u/auc"] for plan in ("free", "premium")]
    assert min(plans) <= metrics["future_listening/z_u/auc"] <= max(plans), "a mean of both"
    for kind in ("favourite_artists", "artist_country", "onboarding"):
        assert 0 < metrics[f"clusters/{kind}/z_u/ndcg@50"] <= 1
    for name in ("collaborative", "audio", "shows"):
        assert 0 < metrics[f"continuation/{name}/ndcg@500"] <= 1
        assert (run / "encoders" / name / "history.jsonl").is_file()
    space = load_space(run / "features")
    assert {modality.name for modality in space.modalities} == {"collaborative", "audio", "shows"}
    varying = {key.removeprefix("unexplained/z_u/") for key in metrics if key.startswith("unexplained/z_u/")}
    assert {"all", "collaborative/7d", "country", "onboarding/languages"} < varying
    assert varying < {group.name for group in space.groups} | {"all"}, "everybody's age is known"
    users = pq.read_table(run / "users.parquet")
    test = users.filter(np.asarray(users["part"]) == 2)
    auc = test["future_listening/z_u/auc"].drop_null().to_numpy()
    assert auc.mean() == pytest.approx(metrics["future_listening/z_u/auc"], abs=1e-6)
    assert not users.filter(np.asarray(users["part"]) == 0)["future_listening/z_u/auc"].drop_null().to_pylist()
    report = (run / "report.md").read_text()
    assert re.search(r"Through HNSW32, \d+\.\d % are found again\.", report)
    for picture in (
        "future_listening",
        "candidates",
        "ranker",
        "ab_test",
        "freshness",
        "cold_start_not_completed",
        "clusters_onboarding",
        "training",
        "map",
    ):
        assert f"(figures/{picture}.png)" in report
        assert (run / "figures" / f"{picture}.png").stat().st_size > 1_000
    assert "future listening: z_u" in said.out
    assert "clusters of similar users" in said.out
    assert re.search(r"candidates, and their order\s+recall@100 +nDCG@10", said.out)

    encoder = restore_encoder(run)
    assert {modality.name for modality in encoder.features.artists} == {"collaborative", "audio", "shows"}
    z = encoder.encode_user({"item_id": ["track 1"], "feedback": ["play"], "timestamp": [0]}, {"country": "no such"})
    assert z.values.shape == (1, 8)
    ranked = restore_preference(run).rank(z, pa.array(["track 1", "track 2", "no such"]))
    assert sorted(ranked.items[:2]) == ["track 1", "track 2"]
    assert np.isfinite(ranked.log_odds[:2]).all()
    with pytest.raises(ValueError, match=r"holds user representations; take urep_jax\.restore_encoder"):
        restore(run)

    ranked_by_another(command, tmp_path)
    embed(command, tmp_path, encoder)
    exported_users(command, tmp_path, encoder)
    encode_content(command, tmp_path)
    told = execute("users.ipynb", run, monkeypatch)
    assert re.search(r"^ +user \d+ +artist", told, re.MULTILINE), "the user, and what they listen to most"
    assert len(re.findall(r"^ +-?[01]\.\d\d  (?:user|artist) \d+", told, re.MULTILINE)) == 16, "eight of either"

    again = command(*every)
    assert "this run has ended before; its results are" in again.out
    assert "future listening: z_u" in again.out
    other = command(*every, "model.width=9")
    assert other.status == 1
    assert "model.width was 8 and is now 9" in other.err


def _nearness(metrics: dict[str, float], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What of x_u finds users who are alike: z_u and the averages as the run has them, and others."""
    nearness([str(run)])
    told = json.loads(capsys.readouterr().out)["nearness"]["streaming-users"]["favourite_artists"]
    for name, title in {"z_u": "z_u", "average": "average embeddings"}.items():
        assert told[title] == pytest.approx([metrics[f"clusters/favourite_artists/{name}/ndcg@50"]], abs=1e-5)
    assert {"average embeddings, 7d", "average embeddings, onboarding", "all features, by z_u"} < set(told)


def _candidates(metrics: dict[str, float], run: Path) -> None:
    """Towers and rankers, and what z_u finds for all users."""
    for name in ("z_u", "curated", "average", "popularity"):
        for metric in ("recall@100", "ndcg@100", "recall_new@100", "ndcg_new@100"):
            assert 0 < metrics[f"candidates/{name}/{metric}"] < 1
    assert metrics["candidates/z_u/index_recall@100"] > 0.9
    for name in ("z_u", "curated", "z_u_towers", "curated_towers", "popularity"):
        assert 0 < metrics[f"ranker/{name}/ndcg@10"] < 1
    for training in ("two_tower/z_u", "two_tower/curated", "two_tower/average", "ranker/z_u", "ranker/curated"):
        assert (run / training / "history.jsonl").is_file()
    found = pq.read_table(run / "candidates.parquet")
    assert found.column_names == ["user_id", "item_id", "score"]
    user, score = found["user_id"].to_numpy(), found["score"].to_numpy()
    assert len(set(user)) == 150
    assert (np.unique(user, return_counts=True)[1] == 100).all()
    assert (np.diff(score)[user[1:] == user[:-1]] <= 0).all(), "best first"
    assert found.group_by(["user_id", "item_id"]).aggregate([]).num_rows == len(found), "each at most once"


def _cost(metrics: dict[str, float], run: Path) -> None:
    """What models cost: z_u has eight numbers, and all else is the same but for when training was best."""
    for model, ours, other, batch in (
        ("artist_preference", "with", "without", 1024),
        ("two_tower", "z_u", "curated", 4 * 32),
        ("ranker", "z_u", "curated", 16),
    ):
        of_step = {}
        for name in (ours, other):
            told = {unit: metrics[f"cost/{model}/{name}/{unit}"] for unit in ("features", "bytes", "steps", "flops")}
            assert told["bytes"] == 4 * told["features"]
            folder = run / ("transfer/artist_preference" if model == "artist_preference" else model) / name
            epochs = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
            assert told["steps"] == max(epochs, key=lambda epoch: epoch["validation"])["step"]
            of_step[name] = told["flops"] / told["steps"]
        more = metrics[f"cost/{model}/{other}/features"] - metrics[f"cost/{model}/{ours}/features"]
        assert metrics[f"cost/{model}/{ours}/features"] == 8
        # A further number of a user meets the weights of one layer, forth and back.
        layer = 128 if model == "two_tower" else 64
        assert of_step[other] - of_step[ours] == 2 * 2 * batch * layer * more > 0


def _ab_test(metrics: dict[str, float], run: Path) -> None:
    """Arms against the truth, tests of them, and what they cost; artist preference's own classifiers answer."""
    follows = {arm: metrics[f"ab_test/{arm}/follows"] for arm in ("z_u", "curated", "popularity", "random", "oracle")}
    assert 0 < min(follows.values()) <= max(follows.values()) == follows["oracle"] < 10
    users = pq.read_table(run / "users.parquet")
    by_user = {arm: users[f"ab_test/{arm}/follows"].drop_null().to_numpy() for arm in follows}
    for arm, values in by_user.items():
        assert values.mean() == pytest.approx(follows[arm], abs=1e-6)
        assert (values <= by_user["oracle"] + 1e-6).all(), "nobody is shown better than by the truth"
    gain = by_user["z_u"].astype(np.float64) - by_user["curated"]
    assert metrics["ab_test/paired/difference"] == pytest.approx(gain.mean(), abs=1e-6)
    half = 1.959964 * gain.std(ddof=1) / len(gain) ** 0.5
    assert metrics["ab_test/paired/difference_ci95"] == pytest.approx(half, rel=1e-3)
    once = [metrics[f"ab_test/randomised/{name}"] for name in ("z_u", "curated", "difference")]
    assert once[2] == pytest.approx(once[0] - once[1])
    assert metrics["ab_test/told_apart/aa"] < 0.15
    units = ("features", "bytes", "operations", "seconds")
    costs = [{unit: metrics[f"ab_test/cost/{arm}/{unit}"] for unit in units} for arm in ("z_u", "curated")]
    trained = [metrics[f"cost/artist_preference/{name}/features"] for name in ("with", "without")]
    assert [of["features"] for of in costs] == trained
    assert all(of["bytes"] == 4 * of["features"] and of["seconds"] > 0 for of in costs)
    # A further number of a user meets 64 weights for each artist who has a track, as not all of the 60 do.
    more = costs[1]["features"] - costs[0]["features"]
    artists = (costs[1]["operations"] - costs[0]["operations"]) / (2 * 64 * more)
    assert artists == int(artists)
    assert 50 < artists <= 60
    assert "## An A/B test of artists shown" in (run / "report.md").read_text()


def _movement(metrics: dict[str, float]) -> None:
    for name in ("z_u", "average"):
        for days in (7, 28, 84):
            key = f"movement/{days}/{name}"
            assert 0 <= metrics[f"{key}/distance"] < metrics[f"movement/others/{name}/distance"] <= 2
            assert metrics[f"{key}/distance_ci95"] > 0
            assert -1 <= metrics[f"{key}/correlation"] <= 1
            assert 0 < metrics[f"{key}/correlation_ci95"] < 1
            assert metrics[f"{key}/least_moved"] < metrics[f"{key}/most_moved"], "who hears others is moved"


def _retraining(metrics: dict[str, float]) -> None:
    """One classifier of two spaces, another of the second, and how far they are apart."""
    assert metrics["retraining/kept/auc"] == pytest.approx(metrics["future_listening/z_u/auc"], abs=1e-6)
    assert metrics["retraining/broken/auc"] < metrics["retraining/kept/auc"]
    assert metrics["retraining/spaces/distance_aligned"] < metrics["retraining/spaces/distance"]
    assert 0 < metrics["retraining/spaces/neighbours"] <= 1


def _freshness(metrics: dict[str, float], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each age by one classifier and by its own; as a session begins the last hour has little to tell."""
    for group, horizon in product(("established", "beginnings"), ("session", "hours")):
        key = f"freshness/{group}/{horizon}"
        assert 0 < metrics[f"{key}/0s/auc"] < 1
        assert f"{key}/0s/own_classifier/auc" not in metrics
        for age, by in product(("1h", "1d", "3d"), ("", "/own_classifier")):
            gain = metrics[f"{key}/{age}{by}/auc"] - metrics[f"{key}/0s/auc"]
            assert metrics[f"{key}/{age}{by}/auc_over_fresh"] == pytest.approx(gain), "of the same users"
            assert metrics[f"{key}/{age}{by}/auc_over_fresh_ci95"] >= 0
    for group in ("established", "beginnings"):
        moved = [metrics[f"freshness/{group}/moved/{age}/distance"] for age in ("1h", "1d", "3d")]
        assert moved == sorted(moved), "the older, the farther"
    within, beginning = (metrics[f"freshness/{group}/moved/1h/distance"] for group in ("established", "beginnings"))
    assert beginning < within / 3, "only a session changes so much in an hour"
    worth_of_freshness([str(run)])
    tables = json.loads(capsys.readouterr().out)["freshness"]
    (established,) = (row for row in tables["session"] if row[0] == "established")
    assert established[2].startswith(short(metrics["freshness/established/session/0s/auc"], 3))
    groups = {row[0] for row in tables["tracks of the session, by the world"]}
    assert {"established", "beginnings"} < groups <= {"", "mood", *GROUPS}
    (shares,) = (row for row in tables["shares"] if row[0] == "beginnings")
    assert float(shares[1].split()[0]) < 0.05, "nothing was heard in the half hour before"


def _map(run: Path) -> None:
    rows = list(csv.DictReader((run / "figures" / "map.csv").read_text().splitlines()))
    assert 100 < len({row["user_id"] for row in rows}) == len(rows) <= 150
    assert len({(row["x"], row["y"]) for row in rows}) == len(rows)
    assert len({row["cluster"] for row in rows}) > 1


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        (("data=mssd",), "data.modalities of mssd names none"),
        (("evaluation.shares=[0.5,0.6]",), r"evaluation.shares is [0.5, 0.6], but must be three shares"),
        (("evaluation.days=300",), "leaves no established user to train on, on 20"),
        (("evaluation.now=2001-01-01",), "evaluation.now is 2001-01-01, but must lie between 20"),
        (("evaluation.now=soon",), "evaluation.now is 'soon', but must be an ISO date"),
        (("evaluation.beside=[svd]",), "evaluation.beside names 'svd', but must be some of average, pca, nmf, lightfm"),
        (
            ("evaluation.tasks=[clusters,karaoke]",),
            "evaluation.tasks names 'karaoke', but must be some of future_listening, cold_start",
        ),
        (("two_tower.index=Flet",), "index is 'Flet', but must be what faiss can make of 64 numbers a vector"),
        (("two_tower.block=1",), "two_tower.block is 1, but must be at least 2"),
        (
            ("evaluation.tasks=[candidates]", "evaluation.weeks=1"),
            "evaluation.weeks is 1, but must be at least 2 for candidates, which is learnt from the weeks before",
        ),
        (
            ("evaluation.tasks=[clusters,cost]",),
            "evaluation.tasks names cost, but none of artist_preference, candidates, ranker, whose trainings it tells",
        ),
        (("distributed=auto",), "task=train of user_representation runs in one process"),
        (
            ("task=embed_users", "distributed={coordinator: here, processes: 2, process: 0}"),
            "distributed.coordinator is 'here', but must be HOST:PORT of process 0",
        ),
        (
            ("task=embed_users", 'distributed={coordinator: "here:80", processes: 2, process: 2}'),
            "distributed.process is 2 of 2, but must be from 0",
        ),
        (("task=embed_users", "distributed={process: 0}"), "distributed is {'process': 0}, but must be auto, or {"),
        (("features.without=[shoes]",), "features.without names shoes, but must be some of"),
        (
            ("data.modalities.audio.shape=[9,9]",),
            "modalities.audio has the shape [9, 9], 81 numbers, but some items have 256",
        ),
        (("data.modalities.audio.column=smell",), "modalities.audio reads the column 'smell' of the items"),
        (("data.modalities.audio.together=[friends]",), "together names 'friends'"),
    ],
)
def test_what_is_wrong_is_told(command: Command, knobs: tuple[str, ...], told: str) -> None:
    own = {knob.split("=")[0].lstrip("+") for knob in knobs}
    kept = [knob for knob in SMALL if knob.split("=")[0].lstrip("+") not in own]
    if "data=mssd" in knobs:
        kept = ["experiment=user_representation"]
    said = command(*kept, *knobs)
    assert said.status == 1
    assert told in said.err


def test_what_was_not_asked_for_is_not_told(command: Command, tmp_path: Path) -> None:
    said = command(*SMALL, "evaluation.tasks=[clusters]", "evaluation.beside=[pca]")
    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    tasks = {name.split("/")[0] for name in metrics}
    assert tasks == {"clusters", "continuation", "unexplained", "validation_loss"}
    assert {name.split("/")[2] for name in metrics if name.startswith("clusters/")} == {"z_u", "pca"}
    report = (tmp_path / "run" / "report.md").read_text()
    assert "## Clusters" in report
    assert "## Future listening" not in report


def test_until_a_run_has_ended_other_tasks_may_be_asked(tmp_path: Path) -> None:
    config = {"evaluation": {"tasks": ["clusters"], "days": 7}}
    RunFolder(tmp_path, config)
    (tmp_path / "encoders").mkdir()
    more = {"evaluation": {"tasks": ["clusters", "candidates"], "days": 7}}
    RunFolder(tmp_path, more)
    with pytest.raises(ValueError, match=r"evaluation\.days was 7 and is now 8"):
        RunFolder(tmp_path, {"evaluation": {"tasks": ["clusters"], "days": 8}})
    RunFolder(tmp_path, more).write_metrics({})
    with pytest.raises(ValueError, match=r"evaluation\.tasks was \['clusters', 'candidates'\] and is now"):
        RunFolder(tmp_path, config)


def test_users_without_modalities_have_no_average(command: Command, tmp_path: Path) -> None:
    said = command(*SMALL, "features.without=[modalities]", "transfer.epochs=1")
    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "future_listening/z_u/auc" in metrics
    assert not [name for name in metrics if "/average/" in name]
    assert not [name for name in metrics if name.startswith("unexplained/z_u/collaborative")]


def test_without_the_longest_window_averages_are_of_the_next(command: Command, tmp_path: Path) -> None:
    said = command(*SMALL, "features.without=[182d]", "transfer.epochs=1")
    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for task in ("future_listening", "cold_start/not_completed"):
        assert 0 < metrics[f"{task}/average/auc"] < 1
    assert "unexplained/z_u/collaborative/182d" not in metrics
