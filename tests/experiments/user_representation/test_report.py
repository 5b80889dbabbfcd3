"""Tables of user representations over several worlds, from run folders made by hand."""

import json
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from scipy import stats

from experiments.report.__main__ import find, main
from experiments.report.intervals import Estimate


def run_of(folder: Path, world: int, without: list[str], metrics: Mapping[str, float], users: int = 4) -> None:
    """A run whose tested users all have what `metrics` says, but for what makes an interval: the first has .1 more."""
    folder.mkdir(parents=True)
    config = {"seed": world, "data": {"name": "tiny", "source": {"world": world}}, "features": {"without": without}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps(dict(metrics)))
    columns = {name: [value + 0.1 * ("z_u" in name)] + [value] * (users - 1) for name, value in metrics.items()}
    pq.write_table(pa.table({"user_id": [f"user {n}" for n in range(users)], **columns}), folder / "users.parquet")


def metrics_of(z: float, average: float, near: float) -> dict[str, float]:
    return {
        "future_listening/z_u/auc": z,
        "future_listening/z_u/accuracy": z - 0.1,
        "future_listening/average/auc": average,
        "future_listening/average/accuracy": average - 0.1,
        "clusters/onboarding/z_u/ndcg@50": near,
        "clusters/onboarding/average/ndcg@50": 0.2,
        "artist_preference/with/auc": 0.7,
        "artist_preference/without/auc": 0.65,
        "since_registration/7/completed/z_u/auc": z - 0.05,
        "since_registration/7/completed/average/auc": average - 0.06,
        "ranker/z_u/ndcg@10": 0.3,
        "ranker/popularity/ndcg@10": 0.2,
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for world, (z, average) in enumerate([(0.80, 0.78), (0.82, 0.79), (0.81, 0.80)]):
        run_of(tmp_path / "whole" / str(world), world, [], metrics_of(z, average, 0.4))
        run_of(tmp_path / "without" / str(world), world, ["onboarding"], metrics_of(z - 0.01, average, 0.3))
    return tmp_path


def test_z_u_is_compared_world_by_world_and_user_by_user(runs: Path) -> None:
    (finding,) = find([runs]).values()
    seen = finding["claims"]["future_listening"]["future_listening"]["auc"]
    assert set(seen) == {"z_u", "average"}
    by_runs, by_users = map(Estimate.of, seen["average"]["z_u over it"])
    gains = [0.02, 0.03, 0.01]
    assert by_runs.mean == pytest.approx(0.02)
    half = stats.ttest_1samp(gains, 0).confidence_interval(0.95).high - 0.02
    assert by_runs.half == pytest.approx(half)
    assert by_users.number == 12, "users of another world are others"
    assert by_users.mean == pytest.approx(0.02 + 0.1 / 4)
    assert set(finding["claims"]["clusters"]) == {"clusters/onboarding"}
    follows = finding["claims"]["artist_preference"]["artist_preference"]["auc"]
    assert Estimate.of(follows["without"]["z_u over it"][0]).mean == pytest.approx(0.05)
    assert "cold_start" not in finding["claims"], "nothing was told of new users"
    (own,) = finding["claims"]["since_registration"].values()
    assert Estimate.of(own["completed"]["z_u"]).mean == pytest.approx(0.76)
    assert Estimate.of(own["completed"]["z_u over it"][0]).mean == pytest.approx(0.03)
    assert "not_completed" not in own


def test_what_is_left_without_a_group_of_features(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finding,) = find([runs]).values()
    assert list(finding["rows"]) == ["features.without=[]", "features.without=['onboarding']"]
    ablation = finding["claims"]["ablation"]
    assert list(ablation) == ["nothing", "onboarding"]
    change = ablation["onboarding"]["clusters/onboarding"]["change"]
    assert Estimate.of(change[0]).mean == pytest.approx(-0.1)
    assert ablation["nothing"]["clusters/onboarding"]["change"] is None
    main([str(runs), "--out", str(runs / "told")])
    said = capsys.readouterr().out
    assert "tiny-users" in said
    report = (runs / "told" / "report.md").read_text()
    drawn = {path.name for path in (runs / "told").glob("*.png")}
    assert {"future_listening.png", "clusters.png", "since_registration.png", "tiny-users.png"} < drawn
    assert drawn == {name.split(")")[0] for name in report.split("](")[1:]}, (
        "each is shown, and nothing that isn't there"
    )
    (line,) = [line for line in report.splitlines() if line.startswith("| onboarding") and "same onboarding" in line]
    assert "−25.0 %" in line
    assert "−13.8 %" in line, "what the paper has"
    again = find([runs / "told" / "report.json"])
    assert again["tiny-users"]["claims"] == json.loads(json.dumps(finding["claims"]))


def test_arms_are_told_world_by_world(tmp_path: Path) -> None:
    for world, (z, alike) in enumerate([(0.20, 0.04), (0.22, 0.06), (0.18, 0.05)]):
        arms = {"z_u": z, "curated": 0.2, "popularity": 0.1, "random": 0.05, "oracle": 0.5}
        once = {"difference": z - 0.19, "difference_ci95": 0.09, "detectable": 0.12, "power": 0.06}
        told = {"aa": alike, "z_u_curated": 0.06, "z_u_popularity": 0.7}
        costs = {"features": 120, "bytes": 480, "operations": 1_000, "seconds": 1.5 + world}
        metrics = {
            **metrics_of(0.8, 0.78, 0.4),
            **{f"ab_test/{arm}/follows": value for arm, value in arms.items()},
            **{f"ab_test/randomised/{name}": value for name, value in once.items()},
            **{f"ab_test/told_apart/{name}": value for name, value in told.items()},
            **{f"ab_test/cost/z_u/{unit}": value for unit, value in costs.items()},
            **{f"ab_test/cost/curated/{unit}": 2 * value for unit, value in costs.items()},
        }
        run_of(tmp_path / str(world), world, [], metrics)
        # The same again: on another machine it took longer.
        if not world:
            run_of(tmp_path / "again", world, [], metrics | {"ab_test/cost/z_u/seconds": 9.0})
    (finding,) = find([tmp_path]).values()
    seen = finding["claims"]["ab_test"]
    over = Estimate.of(seen["arms"]["curated"]["z_u over it"][0])
    half = stats.ttest_1samp([0.0, 0.02, -0.02], 0).confidence_interval(0.95).high
    assert (over.mean, over.half, over.number) == pytest.approx((0.0, half, 3), abs=1e-12)
    assert seen["arms"]["z_u"]["z_u over it"] is None
    main([str(tmp_path), "--out", str(tmp_path / "told")])
    report = (tmp_path / "told" / "report.md").read_text()
    (alike,) = [line for line in report.splitlines() if line.startswith("| curated features and curated features")]
    assert alike.endswith("| tiny-users | .050 ±.025 | .040 | .060 |")
    (line,) = [line for line in report.splitlines() if line.startswith("| z_u over curated features |")]
    assert line.endswith("| tiny-users | +.010 ±.090 | +.030 ±.090 | −.010 ±.090 |")
    assert "| bytes of a user | tiny-users | 480 | 960 | .500 |" in report
    assert "![§5.2.2: an A/B test of the artist-preference model](ab_test.png)" in report
    assert (tmp_path / "told" / "ab_test.png").is_file()


def test_without_others_there_is_nothing_to_draw(tmp_path: Path) -> None:
    metrics = {name: value for name, value in metrics_of(0.8, 0.7, 0.3).items() if "z_u" in name}
    for world in range(2):
        run_of(tmp_path / str(world), world, [], metrics)
    main([str(tmp_path), "--out", str(tmp_path / "told")])
    assert "](" not in (tmp_path / "told" / "report.md").read_text()
    assert not list((tmp_path / "told").glob("*.png"))


def test_another_moment_is_a_repetition(tmp_path: Path) -> None:
    for number, z in enumerate((0.8, 0.7)):
        folder = tmp_path / str(number)
        run_of(folder, 0, [], metrics_of(z, 0.7, 0.3))
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config |= {"evaluation": {"now": f"2013-0{8 + number}-01"}, "distributed": None}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (finding,) = find([tmp_path]).values()
    assert list(finding["rows"]) == ["model"]
    own = finding["claims"]["future_listening"]["future_listening"]["auc"]["average"]["z_u over it"]
    assert Estimate.of(own[0]).number == 2
    assert Estimate.of(own[0]).mean == pytest.approx(0.05)
    assert Estimate.of(own[1]).number == 4, "the same users at both"
