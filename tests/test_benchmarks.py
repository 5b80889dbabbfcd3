"""Every benchmark runs, tiny, and prints the JSON that its README promises. No time is judged."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import off_policy, overview, programs, scale, step_cost, training
from benchmarks.__main__ import main as run_all
from tests.agents.small_world import PARAMS, small_world
from urep_jax.training.layout import TableLayout

RATES = {"positions_per_s", "positions_per_s_spread", "ms_per_batch", "cpu_ms_per_batch", "batches_of_a_turn"}
RATES |= {"positions_per_batch"}


def told(*command: str) -> dict[str, Any]:
    """What `python -m benchmarks...` prints."""
    output = subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, text=True).stdout
    answer: dict[str, Any] = json.loads(output)
    assert {"cpu", "cores", "ram_gib", "packages"} <= set(answer["machine"])
    return answer


def test_ingest() -> None:
    results = told("benchmarks.ingest", "--rows", "1000")["ingest"]
    assert set(results) == {"duckdb"}
    assert set(results["duckdb"]) == {"parquet", "csv"}
    for result in results["duckdb"].values():
        assert result["rows"] == 1000
        assert {"events", "seconds", "rows_per_s", "peak_rss_gib"} <= set(result)


def test_ingest_by_processes() -> None:
    command = ("--rows", "1000", "--formats", "csv", "--files", "2", "--engine", "beam")
    result = told("benchmarks.ingest", *command)["ingest"]["beam"]["csv"]
    assert result["rows"] == 1000
    assert {"events", "seconds", "rows_per_s", "peak_rss_gib", "worker_peak_rss_gib"} <= set(result)


def test_input() -> None:
    command = ("benchmarks.input", "--generated-only", "--users", "64", "--steps", "2", "--repeats", "2")
    results = told(*command, "--batch-size", "16", "--readers", "2")["input"]
    for name in ("random_negatives", "hard_negatives"):
        assert 0 < results["generated"][name]["events_per_batch"] <= 16 * 200
        assert {"events_per_s", "ms_per_batch", "us_per_row", "setup_s"} <= set(results["generated"][name])


def test_training() -> None:
    command = ("benchmarks.training", "--without-rectools", "--users", "16", "--seconds", ".1", "--rounds", "2")
    answer = told(*command, "--batch-size", "4", "--strata", "1", "--cases", "softmax", "sampled_softmax_256_shared")
    assert {"width", "max_length", "batch_size", "threads", "log"} <= set(answer["about"])
    assert set(answer["training"]) == {"softmax", "sampled_softmax_256_shared"}
    for result in answer["training"].values():
        assert set(result) == RATES | {"compile_s", "peak_rss_gib", "loss_first_to_last"}
        assert 0 < result["positions_per_batch"] <= 4 * 199


def test_rates_are_compared_where_the_same_is_asked() -> None:
    def turns(positions: int) -> list[dict[str, Any]]:
        losses = [3.0, 2.0] if positions > 100 else [4.0]
        return [{"seconds": 2.0, "cpu_seconds": 4.0, "positions": positions, "losses": losses}] * 3

    systems = {"softmax": 300, "cloze_softmax": 40, "rectools_softmax": 100, "rectools_bert4rec": 10}
    told = training.summary({name: turns(positions) for name, positions in systems.items()})
    assert told["softmax"]["ms_per_batch"] == 1000
    assert told["softmax"]["loss_first_to_last"] == [3, 3]  # of the third batch, to which all came
    ratios = {name: {key: one[key] for key in one if key.startswith("times")} for name, one in told.items()}
    assert {name for name, found in ratios.items() if found} == {"softmax", "cloze_softmax"}
    assert ratios["softmax"]["times_rectools_softmax"] == 3
    assert ratios["cloze_softmax"]["times_rectools_bert4rec_cpu"] == 4
    assert all("bert4rec" in key for key in ratios["cloze_softmax"])
    assert not any("bert4rec" in key for key in ratios["softmax"])


def test_step_cost() -> None:
    command = ("benchmarks.step_cost", "--axes", "negatives", "--largest", "10", "--rounds", "2", "--steps", "1")
    answer = told(*command, "--batch-size", "4", "--width", "8")
    assert {"width", "blocks", "batch_size", "threads", "rounds", "steps"} <= set(answer["about"])
    assert set(answer["step_cost"]["negatives"]) == {"1", "10"}
    for result in answer["step_cost"]["negatives"].values():
        assert {"ms", "cpu_ms", "compile_s", "flops", "temporary_gib", "state_gib"} <= set(result)
        low, high = result["cpu_ms_to_first_spread"]
        assert 0 < low <= result["cpu_ms_to_first"] <= high


def test_a_step_costs_what_it_reads_and_not_what_there_is() -> None:
    """Counted in compiled programs, so that it is the same on every machine."""
    shape = step_cost.Shape(batch_size=8, width=32)

    def cost(**what: Any) -> tuple[float, float]:
        case = step_cost.Case(length=16, **what)
        _, found = step_cost.compiled(step_cost.training(case, shape), case, shape)
        return found["flops"], found["temporary_gib"]

    few, many = cost(items=10_000), cost(items=1_000_000)
    assert many == few, "a hundred times the catalogue"
    dense = cost(items=1_000_000, tables="dense")
    assert dense[0] > 50 * many[0]
    # 1,000 negatives for each of 8 x 2 tasks, of 32 numbers, and what it takes to compare them.
    one, thousand = few[0], cost(items=10_000, k=1_000)[0]
    assert 2 * 8 * 2 * 1_000 * 32 < thousand - one < 20 * 2 * 8 * 2 * 1_000 * 32


@pytest.mark.parametrize("layout", ["copies", "rows"])
def test_the_arithmetic_of_many_devices_is_that_of_compiled_programs(layout: TableLayout) -> None:
    found = scale.agreement(scale.SMALL._replace(devices=4), layout)
    assert found == pytest.approx({"state": 1.0, "exchanged": 1.0, "products": 1.0}, abs=0.05)


def test_listeners() -> None:
    sizes = ("--listeners", "8", "--candidates", "20", "--tracks", "60", "--steps", "8", "--rounds", "1")
    answer = told("benchmarks.listeners", *sizes, "--cases", "world", "dqn")
    assert set(answer["listeners"]) == {"world", "dqn"}
    for result in answer["listeners"].values():
        assert set(result) == {"steps_per_s", "steps_per_s_spread", "compile_s"}


def test_off_policy() -> None:
    """Of a smaller world than it makes, and one policy; the others are told by the same functions."""
    target = off_policy.Liking(1.0, 0.5)
    sizes = {"listeners": 400, "items": 4, "repetitions": 2, "truth_listeners": 1200}
    found = off_policy.study(small_world(), PARAMS, 0, targets=(target,), **sizes)
    for question, (truth, estimates) in enumerate(found):
        assert estimates.shape == (2, 1, len(off_policy.ESTIMATORS[question]), 3)
        value, half, effective = np.moveaxis(estimates, -1, 0)
        # Far off is a mistake; a little is chance.
        assert (abs(value - truth) < 0.2 * truth).all()
        assert (half < 0.25 * truth).all()
        assert (effective[..., 0] < 0.99 * effective[..., -1]).all()
        table = off_policy.tables([of[question] for of in (found, found)], question, (target,)).splitlines()
        assert table[4].startswith(f"| near 1, long 0.5 | {truth[0]:.{3 if question == 0 else 2}f} | ")
        assert len({line.count("|") for line in table if line}) == 2


def test_skip_gram() -> None:
    command = ("benchmarks.skip_gram", "--without-gensim", "--playlists", "40", "--steps", "1", "--rounds", "2")
    answer = told(*command, "--cases", "whole_playlist")
    assert {"width", "negatives", "playlists", "cores", "log"} <= set(answer["about"])
    result = answer["skip_gram"]["whole_playlist"]["urep_jax"]
    assert set(result) == {"pairs_per_s", "pairs_per_cpu_s", "peak_rss_gib"}
    assert result["pairs_per_s"] > 0


def test_user_vectors() -> None:
    command = ("benchmarks.user_vectors", "--rounds", "2", "--seconds", "0.01", "--batch-size", "8", "--users", "64")
    answer = told(*command)
    assert answer["autoencoder"] == {"features": 2000, "hidden": [512, 256], "width": 120, "batch_size": 8}
    results = answer["results"]
    for name in ("inference", "training"):
        assert set(results[name]) == {"users_per_s", "share_of_matmul", "share_spread"}
        assert results[name]["share_of_matmul"] > 0
    hours = results["everybody_core_hours"]
    assert hours["features"] == pytest.approx(600e6 / results["features"]["users_per_s"] / 3600, rel=0.01)
    assert hours["both"] == pytest.approx(hours["features"] + hours["inference"], rel=0.01)


def test_online_parts() -> None:
    kinds = ["sqlite", "redis"] if shutil.which("redis-server") else ["sqlite"]
    command = ("benchmarks.online_parts", "--users", "20", "--records", "3", "--seconds", "0.1", "--kinds", *kinds)
    results = told(*command)["online_parts"]
    assert list(results) == kinds
    assert all(number > 0 for rates in results.values() for number in rates.values())


def test_ranking() -> None:
    (found,) = told("benchmarks.ranking", "--largest", "10000", "--users", "8", "--rounds", "2")["ranking"].values()
    assert found["both"]["agree"] == 1, "both find the same"
    assert found["urep_jax"]["users_per_s"] > 0
    assert {"times_faiss", "times_faiss_cpu"} <= set(found["urep_jax"])


def test_a_program_counts_its_products() -> None:
    @jax.jit
    def run(x: jax.Array, w: jax.Array) -> jax.Array:
        return jnp.exp(jax.lax.scan(lambda carry, _: (jnp.tanh(carry @ w), None), x, None, length=5)[0] @ w.T)

    x, w = jnp.ones((64, 32)), jnp.ones((32, 32))
    program = run.lower(x, w).compile()
    seen = programs.profile(program.as_text(), lambda: [program(x, w) for _ in range(3)])
    assert seen.operations == 3 * (5 + 1) * 2 * 64 * 32 * 32, "those of a loop as often as it went round"
    assert min(seen.seconds["products"], seen.seconds["exponentials and the like"]) > 0


def test_matmul_share() -> None:
    command = ("benchmarks.matmul_share", "--users", "64", "--rounds", "1", "--steps", "1", "--cases")
    small = ("--knobs", "model.width=16", "max_length=20", "train.batch_size=8")
    (found,) = told(*command, "next_item", *small)["matmul_share"].values()
    parts = [middle for kind in (*programs.KINDS, programs.MOVES) for middle, _, _ in [found[kind]]]
    assert sum(parts) == pytest.approx(1, abs=0.01)
    assert 0 < found["share"][0] < found["share_of_products"][0]


def test_all_are_run_and_told_on_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [str(tmp_path), "--small", "--only", "step_cost", "ingest"]
    run_all(command)
    told = (tmp_path / "README.md").read_text()
    assert "## A step's cost by catalogue" in told
    assert "ingest, duckdb, parquet: rows" in told
    assert "Beside peers" not in told, "none was measured"
    assert {path.stem for path in tmp_path.glob("*.svg")} == {"catalogue", "length", "negatives", "devices"}

    # What is there stays; what fails is named, and the others are told nevertheless.
    was = (tmp_path / "ingest.json").read_text()
    capsys.readouterr()
    with pytest.raises(SystemExit, match="training failed"):
        run_all([*command, "training", "--rectools", "no/such/python"])
    assert "training.log says why" in capsys.readouterr().err
    assert (tmp_path / "ingest.json").read_text() == was
    assert not (tmp_path / "training.json").exists()
    assert (tmp_path / "README.md").read_text() == told


def test_the_page_leads_with_ratios() -> None:
    ratio = {"times_rectools_softmax": 5.0, "times_rectools_softmax_spread": [4.0, 6.0]}
    ratio |= {"times_rectools_softmax_cpu": 5.5, "times_rectools_softmax_cpu_spread": [5.0, 6.0]}
    machine = {"cpu": "C", "cores": 2, "ram_gib": 8, "packages": {"jax": "1"}, "devices": {"cpu": 1}}
    own = {"positions_per_s": 1000, "ms_per_batch": 50.0, "loss_first_to_last": [8.1, 7.9], "peak_rss_gib": 1.0}
    training = {"machine": machine, "training": {"softmax": own | ratio}}
    told = overview.page({"training": training}).splitlines()
    heads = [line for line in told if line.startswith("## ")]
    assert heads[:2] == ["## Beside peers, in the same run", "## Training"]
    assert any("nothing of this was measured on one" in line for line in told)
    training["machine"]["devices"] = {"NVIDIA H200": 8}
    assert "JAX computed on 8 NVIDIA H200." in overview.page({"training": training})
    assert "| training, softmax | rectools_softmax | 5.0 (4.0 to 6.0) | 5.5 (5.0 to 6.0) |" in told


def test_whether_another_library_is_measured_has_to_be_said() -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        told("benchmarks.training", "--users", "16")
    assert "--without-rectools" in refused.value.stderr
    with pytest.raises(subprocess.CalledProcessError) as refused:
        told("benchmarks.skip_gram", "--playlists", "40")
    assert "--without-gensim" in refused.value.stderr
