"""Users of Last.fm-1K, made up in the published layout, through the command."""

import datetime
import json
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.command import NEGATIVE, Command

SMALL = (
    *("train.epochs=1", "train.batch_size=64", "model.width=8", "model.hidden=[32]", "transfer.epochs=1"),
    *("evaluation.shares=[0.5,0.2,0.3]", "evaluation.weeks=1", "+data.modalities.collaborative.epochs=1"),
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty users, most of whom listen to a few of thirty artists."""
    folder = tmp_path_factory.mktemp("lastfm")
    rng = np.random.default_rng(0)
    listens, profiles = [], ["#id\tgender\tage\tcountry\tregistered"]
    for user in range(40):
        joined = datetime.datetime(2009, 1, 1) + datetime.timedelta(days=int(rng.integers(40)))
        spelled = f"{joined:%b} {joined.day}, {joined.year}"
        profiles.append(f"user_{user}\tf\t{'' if user % 3 else 30}\t{'' if user % 2 else 'Chile'}\t{spelled}")
        for _ in range(120):
            time = joined + datetime.timedelta(seconds=int(rng.integers(50 * 86_400)))
            artist, track = int(rng.integers(6) + 6 * (user % 5)), int(rng.integers(6))
            ids = ("" if artist % 4 == 0 else f"a{artist}", "" if track % 2 else f"t{artist}-{track}")
            listens.append(f"user_{user}\t{time:%Y-%m-%dT%H:%M:%SZ}\t{ids[0]}\tA{artist}\t{ids[1]}\tT{track}")
    (folder / "userid-timestamp-artid-artname-traid-traname.tsv").write_text("\n".join(listens) + "\n")
    (folder / "userid-profile.tsv").write_text("\n".join(profiles) + "\n")
    return folder


def test_the_whole_chain(command: Command, published: Path, tmp_path: Path) -> None:
    said = command("experiment=user_representation", "data=lastfm_1k", f"data.path={published}", *SMALL)
    assert said.status == 0, said.err
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 < metrics["continuation/collaborative/ndcg@500"] <= 1
    for name in ("future_listening/average/auc", "clusters/favourite_artists/z_u/ndcg@50"):
        assert 0 < metrics[name] <= 1


def test_ups_and_downs_are_not_found_in_plays(command: Command, published: Path) -> None:
    said = command(NEGATIVE, "data=lastfm_1k", f"data.path={published}")
    assert said.status == 1
    assert "lastfm_1k tells of plays only, but negative_feedback learns from ups, downs and skips" in said.err
