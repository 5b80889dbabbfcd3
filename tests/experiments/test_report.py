"""Runs side by side: rows, intervals and differences, on run folders made by hand."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from scipy import stats

from experiments.report.__main__ import main
from experiments.report.claims.claim import Claim, Numbers
from experiments.report.claims.hard_negatives import FIGURE_2_TOP, FIGURE_3
from experiments.report.claims.hardest_of_k import FIGURE_2_BOTTOM
from experiments.report.claims.kinds_of_feedback import FEEDBACK_TYPES, FIGURE_4
from experiments.report.claims.looking_ahead import LOOKING_AHEAD
from experiments.report.claims.parts import TABLE_2, TWO_STAGES
from experiments.report.curves import whole
from experiments.report.intervals import difference_by_user, estimate, mean_by_user
from experiments.report.rows import difference_table, differences, rows_of, table_of
from experiments.report.runs import Run, read_runs, sweep_of
from experiments.tables import short
from tests.training.tiny import tiny_log
from urep_jax.data.stats import table1


def run_of(
    folder: Path,
    config: Mapping[str, Any],
    metrics: Mapping[str, float],
    users: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """A run folder as far as the report reads it; `users` are pair accuracies by user, under ups, downs and skips."""
    (folder / "figures").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(config)))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "table1.json").write_text(json.dumps(dataclasses.asdict(table1(tiny_log()))))
    (folder / "figures" / "hard_negative_sources.csv").write_text("a,b,c,d,e\n1,0,0,0,0\n0,0,0,0,1\n")
    users = users or {"ann": (1, 0, 0, 0.5)}
    columns = zip(*users.values(), strict=True)
    names = ("ups", "downs", "skips", "model/pair_accuracy")
    table = {"user_id": list(users), **{n: list(c) for n, c in zip(names, columns, strict=True)}}
    # A baseline does equally well for all users.
    table |= {key: [value] * len(users) for key, value in metrics.items() if key.endswith("/pair_accuracy")}
    pq.write_table(pa.table(table), folder / "users.parquet")


def config_of(seed: int, **knobs: Any) -> dict[str, Any]:
    return {"seed": seed, "workspace": f"w{seed}", "data": {"name": "tiny"}, **knobs}


@pytest.mark.parametrize(
    ("value", "digits", "told"),
    [
        (0.5, 3, ".500"),
        (-0.05, 2, "−.05"),
        (10.3, 1, "10.3"),
        (20.5, 1, "20.5"),
        (100.0, 1, "100.0"),
        (1.0, 3, "1.000"),
    ],
)
def test_only_a_leading_zero_is_left_out(value: float, digits: int, told: str) -> None:
    assert short(value, digits) == told


def test_runs_of_one_setting_are_a_row_and_differences_are_taken_seed_by_seed(tmp_path: Path) -> None:
    accuracy = {1.0: [0.70, 0.72, 0.71], 0.0: [0.63, 0.66, 0.62]}
    for p_hard, values in accuracy.items():
        for seed, value in enumerate(values):
            metrics = {"pair_accuracy": value, "popularity/pair_accuracy": 0.6 + seed / 100}
            users = {"ann": (1, 1, 0, value + 0.1), "bob": (1, 1, 0, value - 0.1 * p_hard)}
            run_of(tmp_path / f"{p_hard}" / f"{seed}", config_of(seed, p_hard=p_hard), metrics, users)
    rows = {row.name: row for row in rows_of(read_runs([tmp_path]))}
    assert list(rows) == ["p_hard=0", "p_hard=1", "popularity"], "popularity knows of no p_hard, and is one row"
    assert list(rows["popularity"].values("pair_accuracy").values()) == [0.6, 0.61, 0.62]
    assert list(rows["p_hard=1"].values("pair_accuracy").values()) == accuracy[1.0]

    gains = np.subtract(accuracy[0.0], accuracy[1.0])
    half = stats.ttest_1samp(gains, 0).confidence_interval(0.95).high - gains.mean()
    found = differences(list(rows.values()), "pair_accuracy")
    (line,) = [line for line in difference_table(found, "pair_accuracy") if line[0] == "p_hard=0 − p_hard=1"]
    # Ann gains as much as the mean, Bob 0.1 more.
    by_users = short(1.96 * np.std([0, 0.1], ddof=1) / 2**0.5, 3)
    told = f"{short(gains.mean(), 3)} ±{short(half, 3)}", f"{short(gains.mean() + 0.05, 3)} ±{by_users}"
    assert line[1:] == ["3", *told]
    found = differences(list(rows.values()), "pair_accuracy", "popularity")
    against = difference_table(found, "pair_accuracy")
    assert [line[0] for line in against[1:]] == ["p_hard=0 − popularity", "p_hard=1 − popularity"]
    assert against[2][2].startswith(f"+{short(0.71 - 0.61, 3)} ±")
    with pytest.raises(ValueError, match="no row 'popular' to compare with; the rows are p_hard=0, p_hard=1, pop"):
        differences(list(rows.values()), "pair_accuracy", "popular")
    hard = {"p_hard=1": list(rows["p_hard=1"].metrics.values())}
    assert table_of(hard)[1][:3] == ["p_hard=1", "3", f".710 ±{short(half_width(accuracy[1.0]), 3)}"]


def half_width(values: list[float]) -> float:
    return float(stats.ttest_1samp(values, 0).confidence_interval(0.95).high - np.mean(values))


def test_an_interval_is_students() -> None:
    values = [1.0, 2.0, 4.0, 9.0]
    mean, half, number = estimate(values)
    assert (mean, number) == (4.0, 4)
    assert half == pytest.approx(half_width(values))
    assert math.isnan(estimate([1.0]).half)


def test_a_baseline_that_a_setting_changes_is_a_row_for_each(tmp_path: Path) -> None:
    for length, value in ((50, 0.6), (200, 0.65)):
        metrics = {"pair_accuracy": 0.7, "positive_only/pair_accuracy": value, "like_rate/pair_accuracy": 0.72}
        run_of(tmp_path / str(length), config_of(0, max_length=length), metrics)
    rows = {row.name: list(row.values("pair_accuracy").values()) for row in rows_of(read_runs([tmp_path]))}
    assert rows["positive only max_length=50"] == [0.6]
    assert rows["positive only max_length=200"] == [0.65]
    assert rows["like-rate"] == [0.72]


def test_seeds_of_unlike_settings_are_not_pooled(tmp_path: Path) -> None:
    for seed, length in ((0, 50), (1, 200)):
        metrics = {"pair_accuracy": 0.7, "positive_only/pair_accuracy": 0.6}
        run_of(tmp_path / str(seed), config_of(seed, max_length=length), metrics)
    assert [len(row.metrics) for row in rows_of(read_runs([tmp_path]))] == [1, 1, 1, 1]


def test_a_knob_that_only_some_runs_have_tells_them_apart(tmp_path: Path) -> None:
    run_of(tmp_path / "a", config_of(0), {"pair_accuracy": 0.7})
    run_of(tmp_path / "b", config_of(0, more=1), {"pair_accuracy": 0.8})
    assert [row.name for row in rows_of(read_runs([tmp_path]))] == ["model", "more=1"]


def test_the_same_run_with_other_results_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_of(tmp_path / name, config_of(0), {"pair_accuracy": 0.7})
    assert len(rows_of(read_runs([tmp_path]))) == 1, "two sweeps may hold the same run"
    run_of(tmp_path / "c", config_of(0), {"pair_accuracy": 0.8})
    with pytest.raises(ValueError, match="repeats another run of model with the same seed, with other results"):
        rows_of(read_runs([tmp_path]))
    with pytest.raises(ValueError, match="no run has ended below"):
        read_runs([tmp_path / "nowhere"])


def test_the_command_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(2):
        metrics = {"pair_accuracy": 0.7 + seed / 100, "popularity/pair_accuracy": 0.6}
        run_of(tmp_path / "runs" / f"{seed}", config_of(seed), metrics)
    main([str(tmp_path / "runs"), "--out", str(tmp_path / "told"), "--svg"])
    assert "| model | 2 | .705 ±" in (tmp_path / "told" / "report.md").read_text()
    assert ".705" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "told" / "tiny.svg").read_text()


def test_a_report_stands_for_its_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep_folder(tmp_path / "here")
    for seed in range(2):
        config = config_of(seed, ablation="none") | {"data": {"name": "other"}}
        run_of(tmp_path / "there" / f"{seed}", config, {"pair_accuracy": 0.6 + seed / 100})
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    main([here, "--out", str(tmp_path / "first")])
    report = str(tmp_path / "first" / "report.json")
    main([report, there, "--out", str(tmp_path / "mixed")])
    main([here, there, "--out", str(tmp_path / "whole")])
    for name in ("report.md", "report.json", "tiny.png", "figure_3.png"):
        mixed, whole = (tmp_path / folder / name for folder in ("mixed", "whole"))
        assert mixed.read_bytes() == whole.read_bytes(), name
    capsys.readouterr()
    for wrong, reason in (
        ([report, here], "there are runs on tiny in .*, and a report tells of others; leave out one of them"),
        ([report, report], "tells of tiny, and so does another report; name only one"),
        ([str(tmp_path / "there" / "0" / "metrics.json")], "metrics.json is no report.json that this command wrote"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert re.search(reason, capsys.readouterr().err)
    (tmp_path / "old.json").write_text('{"format": 0, "data": {}}')
    with pytest.raises(SystemExit):
        main([str(tmp_path / "old.json")])
    assert "has format 0, but this version reads 1; make it anew from the runs" in capsys.readouterr().err


def test_a_single_user_has_no_interval_and_is_told(tmp_path: Path) -> None:
    metrics = {"pair_accuracy": 0.7, "pair_accuracy_ci95": float("nan"), "p_hard": 1.0}
    cosines = {f"cosine/{pair}": 0.5 for pair in ("up_down", "up_skip", "down_skip")}
    users = {"ann": (0, 0, 3, 1.0), "bob": (1, 0, 3, 0.5)}
    run_of(tmp_path / "run", config_of(0, p_hard=1.0), metrics | cosines, users)
    main([str(tmp_path), "--out", str(tmp_path / "told")])
    told = json.loads((tmp_path / "told" / "report.json").read_text())
    tiny = told["data"]["tiny"]
    assert tiny["claims"]["feedback_types"]["skips_only"] == [1.0, None, 1]
    assert tiny["rows"]["model"][0]["metrics"].keys() >= {"pair_accuracy"}
    assert "pair_accuracy_ci95" not in tiny["rows"]["model"][0]["metrics"]


def test_what_a_recipe_decides_is_told_by_its_name(tmp_path: Path) -> None:
    for name, loss in (("sasrec", "bce"), ("bert4rec", "softmax")):
        for width in (64, 128):
            config = config_of(0, recipe=name, loss=loss, width=width)
            run_of(tmp_path / f"{name}{width}", config, {"pair_accuracy": width / 200})
    names = [row.name for row in rows_of(read_runs([tmp_path]))]
    assert sorted(names) == [f"recipe={n} width={w}" for n in ("bert4rec", "sasrec") for w in (128, 64)]


def test_what_is_switched_off_goes_without_saying(tmp_path: Path) -> None:
    for p_hard, ablation in ((0, "none"), (1, "none"), (1, "positions")):
        config = config_of(0, p_hard=p_hard, ablation=ablation)
        run_of(tmp_path / f"{p_hard}{ablation}", config, {"pair_accuracy": 0.7})
    names = {row.name for row in rows_of(read_runs([tmp_path]))}
    assert names == {"p_hard=0", "p_hard=1", "ablation=positions p_hard=1"}


def numbers(claim: Claim, runs: Sequence[Run]) -> Numbers:
    """What a claim finds in the runs, as `report.json` would hold it."""
    found = claim.measure(runs)
    assert found is not None
    plain: Numbers = json.loads(json.dumps(found, allow_nan=False))
    return plain


def sweep_folder(folder: Path) -> list[Run]:
    """Three seeds of `p_hard` 0 and 1, one seed of 0.5, and one run with another length; of three users."""
    accuracy = {0: (0.5, 0.6, 0.7), 0.5: (0.7,), 1: (0.7, 0.9, 0.8)}
    for p_hard, values in accuracy.items():
        for seed, value in enumerate(values):
            users = {
                "ann": (1, 9, 0, value + 0.1),
                "bob": (9, 1, 0, value - 0.1),
                "cat": (0, 0, 0, float("nan")),
            }
            metrics = {
                "pair_accuracy": value,
                "epochs_to_convergence": 10.0 - 5 * p_hard,
                "mrr_up": 0.1,
                "mrr_down": 0.05,
            }
            run_of(folder / f"{p_hard}-{seed}", config_of(seed, p_hard=p_hard, k_negatives=1), metrics, users)
    run_of(folder / "long", config_of(0, p_hard=0.25, k_negatives=1, max_length=7), {"pair_accuracy": 0.1})
    return read_runs([folder])


def test_a_sweep_is_the_runs_that_differ_in_one_knob(tmp_path: Path) -> None:
    runs = sweep_folder(tmp_path)
    sweep = sweep_of(runs, "p_hard")
    assert list(sweep) == ["0", "0.5", "1"], "by size, and the run of another length is none of them"
    assert [len(repeats) for repeats in sweep.values()] == [3, 1, 3]
    assert sweep_of(runs, "k_negatives") == {}
    assert sweep_of(runs, "p_hard", k_negatives="2") == {}
    assert {run.metrics["pair_accuracy"] for run in whole(runs).values()} == {0.7, 0.9, 0.8}
    assert not whole([run for run in runs if run.metrics["pair_accuracy"] in (0.1, 0.5)]), "two settings are no model"


def test_runs_over_k_are_held_against_those_with_hard_negatives(tmp_path: Path) -> None:
    for seed, k, value in ((0, 1, 0.6), (0, 10, 0.5), (1, 1, 0.5), (1, 10, 0.3)):
        run_of(tmp_path / f"{seed}{k}", config_of(seed, p_hard=0, k_negatives=k), {"pair_accuracy": value})
    assert numbers(FIGURE_2_BOTTOM, read_runs([tmp_path]))["hard"] is None
    run_of(tmp_path / "hard", config_of(0, p_hard=1, k_negatives=1), {"pair_accuracy": 0.7})
    found = numbers(FIGURE_2_BOTTOM, read_runs([tmp_path]))
    assert (found["curve"]["pair_accuracy"]["1"][0], found["hard"]) == (pytest.approx(0.55), 0.7)
    assert f"| tiny | 10 | {estimate([-0.1, -0.2]).told(3, sign=True)} |" in FIGURE_2_BOTTOM.tell({"tiny": found})


def test_two_stages_are_held_against_their_parts_and_one_model_between(tmp_path: Path) -> None:
    told = ("pair_accuracy", "mrr_up", "mrr_down", "recall_up@10", "recall_down@10", "recommended_popularity")
    for p_hard, value in ((0, 0.1), (0.5, 0.2), (1, 0.3)):
        stages = {
            f"{name}/{metric}": more
            for name, more in (("random_negatives", 0.1), ("two_stages", 0.4))
            for metric in told
        }
        metrics = dict.fromkeys(told, value) | (stages if p_hard == 1 else {})
        run_of(tmp_path / f"{p_hard}", config_of(0, p_hard=p_hard, k_negatives=1), metrics)
    runs = read_runs([tmp_path])
    found = numbers(TWO_STAGES, runs)
    shown = {title: own["mrr_up"][0] for title, own in found.items()}
    assert shown == {"finder alone": 0.1, "ranker alone": 0.3, "two stages": 0.4, "one model, p_hard=0.5": 0.2}
    assert "| tiny | one model, p_hard=0.5 | .200 |" in TWO_STAGES.tell({"tiny": found})
    assert TWO_STAGES.measure([run for run in runs if run.setting["p_hard"] != "1"]) is None


def test_users_are_compared_with_themselves(tmp_path: Path) -> None:
    sweep = sweep_of(sweep_folder(tmp_path), "p_hard")
    gain = difference_by_user(sweep["1"], sweep["0"], "model/pair_accuracy")
    # Over seeds each of both users gains (0.2 + 0.3 + 0.1) / 3, so users don't differ.
    assert gain is not None
    assert gain == pytest.approx((0.2, 0.0, 2), abs=1e-6)
    assert difference_by_user(sweep["1"], {}, "model/pair_accuracy") is None


def test_the_claims_tell_what_the_runs_hold(tmp_path: Path) -> None:
    runs = sweep_folder(tmp_path)
    top, third, fourth = (numbers(claim, runs) for claim in (FIGURE_2_TOP, FIGURE_3, FIGURE_4))
    assert top["curve"]["pair_accuracy"]["1"][0] == pytest.approx(0.8)
    gain = estimate([0.2, 0.3, 0.1])
    assert f"| tiny | 1 | {gain.told(3, sign=True)} | +.200 ±.000 |" in FIGURE_2_TOP.tell({"tiny": top})
    assert "| tiny | .50 (.50 to .50) |" in FIGURE_3.tell({"tiny": third}), "half the epochs, whatever the seed"
    assert fourth["share_of_users"] == [0.5, 0.0, 0.0, 0.0, 0.5]
    assert fourth["accuracy"][0][0] == pytest.approx(0.9, abs=1e-6)
    assert fourth["accuracy"][4][0] == pytest.approx(0.7, abs=1e-6)
    assert TABLE_2.measure(runs) is None


def test_one_seed_gives_no_ratio_and_no_empty_table(tmp_path: Path) -> None:
    runs = [run for run in sweep_folder(tmp_path) if run.config["seed"] == 0]
    told = FIGURE_3.tell({"tiny": numbers(FIGURE_3, runs)})
    assert "| tiny | 1 | 1 |" in told
    assert "epochs with p_hard=1" not in told


def test_the_ablation_is_told_in_points(tmp_path: Path) -> None:
    for part, values in {"none": (0.7, 0.72), "positions": (0.69, 0.72)}.items():
        for seed, value in enumerate(values):
            users = {"ann": (1, 0, 0, value), "bob": (1, 0, 0, value - 0.1)}
            run_of(tmp_path / part / str(seed), config_of(seed, ablation=part), {"pair_accuracy": value}, users)
    text = TABLE_2.tell({"tiny": numbers(TABLE_2, read_runs([tmp_path]))})
    points = estimate([-1.0, 0.0]).told(1, sign=True)
    assert f"| positions | tiny | {estimate([0.69, 0.72]).told(3)} | {points} | −.5 ±.0 |" in text
    assert text.index("| nothing |") < text.index("| positions |")


def test_without_hard_negatives_is_p_hard_0(tmp_path: Path) -> None:
    runs = sweep_folder(tmp_path / "p_hard")
    config = config_of(0, p_hard=1, k_negatives=1, ablation="positions")
    run_of(tmp_path / "positions", config, {"pair_accuracy": 0.65})
    for run in runs:
        run.config["ablation"] = "none"
    found = numbers(TABLE_2, [*runs, *read_runs([tmp_path / "positions"])])
    assert list(found) == ["none", "hard_negatives", "positions"]
    assert found["none"]["pair_accuracy"][0] == pytest.approx(0.8)
    assert found["hard_negatives"]["pair_accuracy"][0] == pytest.approx(0.6)
    assert found["hard_negatives"]["change"][0][0] == pytest.approx(-0.2)


def test_users_of_whom_only_skips_are_known_are_counted_once(tmp_path: Path) -> None:
    for seed in range(2):
        users = {"ann": (0, 0, 3, 1.0), "bob": (0, 0, 1, seed), "eve": (1, 0, 2, 0.0), "joe": (0, 0, 0, 0.0)}
        cosines = {f"cosine/{pair}": 0.5 for pair in ("up_down", "up_skip", "down_skip")}
        run_of(tmp_path / str(seed), config_of(seed, p_hard=1.0), {"pair_accuracy": 0.5} | cosines, users)
    text = FEEDBACK_TYPES.tell({"tiny": numbers(FEEDBACK_TYPES, read_runs([tmp_path]))})
    # Ann's mean over the seeds is 1, Bob's 1/2.
    half = short(1.96 * np.std([1, 0.5], ddof=1) / 2**0.5, 3)
    assert f"| .750 ±{half} (2) | – |" in text


def test_a_user_counts_in_the_repetitions_that_tested_them() -> None:
    ids = np.array(["ann", "bob", "cid", "ann", "bob", "cid"])
    found = mean_by_user(ids, np.array([0.2, 0.4, np.nan, 0.4, np.nan, np.nan]))
    np.testing.assert_allclose(found, [0.3, 0.4, np.nan])


def test_looking_ahead_is_told_agent_by_agent_over_its_knob(tmp_path: Path) -> None:
    horizon, memory, *_ = LOOKING_AHEAD
    for days, gain in {0.5: 0.2, 4: 1.0}.items():
        for seed, myopic in enumerate((3.0, 3.4)):
            satisfied = {"myopic": myopic, "ppo": myopic + gain * (1 + 0.1 * seed)}
            metrics = {f"total_satisfaction/{agent}": value for agent, value in satisfied.items()}
            metrics |= {f"new_listeners/{name}": value - 0.5 for name, value in metrics.items()}
            config = config_of(seed, learn={"ppo": {"horizon_days": days}})
            run_of(tmp_path / f"{days}_{seed}", config, metrics)
            table = {"user_id": [f"{seed}/0", f"{seed}/1"]}
            columns = {"model": [satisfied["ppo"], None], "new_listeners": [None, satisfied["ppo"] - 0.5]}
            table |= {f"{model}/total_satisfaction/ppo": values for model, values in columns.items()}
            pq.write_table(pa.table(table), tmp_path / f"{days}_{seed}" / "users.parquet")
    runs = read_runs([tmp_path])
    assert {run.data for run in runs} == {"tiny-agents"}
    found = numbers(horizon, runs)
    assert memory.measure(runs) is None
    told = horizon.tell({"tiny-agents": found})
    assert f"| tiny-agents | 4 | 2 | {estimate([3.0, 3.4]).told(2)} | {estimate([4.0, 4.5]).told(2)} |" in told
    assert horizon.draw is not None
    horizon.draw({"tiny-agents": found}, tmp_path / "horizon.png")
    assert (tmp_path / "horizon.png").stat().st_size > 5_000
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) is None
    report = (tmp_path / "out" / "report.md").read_text()
    assert f"| learn.ppo.horizon_days=4 | 2 | {estimate([3.0, 3.4]).told(2)} |" in report
    assert "new listeners" in report
    over = re.search(r"horizon_days=0.5 − learn.ppo.horizon_days=4 \| 2 \| ([^|]+) \| ([^|]+) \|", report)
    assert over is not None
    assert over[1] == estimate([-0.8, -0.88]).told(2, sign=True)
    assert "horizon_days=4 − new listeners learn.ppo.horizon_days=4 | 2 | +.50 ±.00 | – |" in report, "other people"


def learned_run(folder: Path, rewards: Mapping[str, tuple[float, float, float]], **knobs: Any) -> None:
    """A run of what logs tell; rewards of each policy in the true and both learned worlds."""
    metrics = {f"learned/agreement/first_and_second/reward{end}": value for end, value in CORRELATION.items()}
    for policy, by_place in rewards.items():
        metrics[f"learned/{policy}/satisfaction"] = 2.5
        for place, reward in zip(("true", "first", "second"), by_place, strict=True):
            metrics |= {f"learned/{policy}/reward/{place}": reward, f"learned/{policy}/sessions/{place}": reward / 10}
    run_of(folder, config_of(0, **knobs), metrics)
    # It asks no users.
    (folder / "users.parquet").unlink()


CORRELATION = {"": 0.96, "_low": 0.8, "_high": 1.0}


def test_policies_of_learned_worlds_are_told_and_drawn(tmp_path: Path) -> None:
    rewards = {"random": (120.0, 134.0, 128.0), "near": (370.0, 372.0, 339.0)}
    learned_run(tmp_path / "runs" / "one", {"random": (1.0, 2.0, 3.0)}, worlds=1)
    learned_run(tmp_path / "runs" / "three", rewards, worlds=3)
    assert main([str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) is None
    report = (tmp_path / "out" / "report.md").read_text()
    assert "## tiny-learned" in report
    assert "| worlds=3 | 1 | .96 |" in report
    # Of the run with most worlds.
    assert "| near | 2.500 | 370 | 372 | 339 | 37.0 | 37.2 | 33.9 |" in report
    assert "| first and second | .96 (.80 to 1.00) |" in report
    assert (tmp_path / "out" / "learned_worlds.png").stat().st_size > 5_000


def test_runs_that_cannot_be_compared_are_named(tmp_path: Path) -> None:
    run_of(tmp_path / "one", config_of(0), {"events": 3.0})
    with pytest.raises(ValueError, match=r"none of the 1 runs below .* has what runs are compared by; name others"):
        read_runs([tmp_path])
