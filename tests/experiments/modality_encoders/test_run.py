"""Modality encoders on a few playlists in the published layout, through the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.command import NEGATIVE, Command
from urep_jax.data.datasets.million_playlist.songs import FEATURES

TRACKS, GENRES = 120, 4
SMALL = (
    *("experiment=modality_encoders", "data=million_playlist_songs"),
    *("data.modalities.collaborative.epochs=6", "+data.modalities.collaborative.batch_size=8"),
    *("+data.modalities.collaborative.width=16", "data.modalities.collaborative.learning_rate=0.03"),
    *("data.modalities.sound.epochs=3", "+data.modalities.sound.batch_size=8", "+data.modalities.sound.width=16"),
)
"""Small enough to be trained in seconds."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Playlists of one genre each, and songs that sound as their genre does: where the two lie, as knobs."""
    folder = tmp_path_factory.mktemp("mpd")
    rng = np.random.default_rng(0)
    playlists = []
    for pid in range(200):
        genre = pid % GENRES
        drawn = rng.permutation(np.arange(genre, TRACKS, GENRES))[:14]
        tracks = [
            {
                "pos": place,
                "track_uri": f"spotify:track:t{track}",
                "artist_uri": f"spotify:artist:a{track % 24}",
                "artist_name": f"Artist {track % 24}",
                "track_name": f"Track {track}",
            }
            for place, track in enumerate(map(int, drawn))
        ]
        playlists.append({"pid": pid, "tracks": tracks})
    (folder / "mpd.slice.0-999.json").write_text(json.dumps({"playlists": playlists}))
    lines = [",".join(["track_id", "playlist_genre", "playlist_subgenre", *FEATURES])]
    for track in range(0, TRACKS, 2):
        sound = [f"{(track % GENRES) + rng.normal(scale=0.3):.3f}" for _ in FEATURES]
        lines.append(",".join([f"t{track}", f"genre {track % GENRES}", "none", *sound]))
    (folder / "songs.csv").write_text("\n".join(lines) + "\n")
    return f"data.path={folder}", f"data.songs={folder}/songs.csv"


def test_the_whole_run_and_again(command: Command, published: tuple[str, str], tmp_path: Path) -> None:
    said = command(*SMALL, *published)
    assert said.status == 0, said.err
    run = tmp_path / "run"
    metrics = json.loads((run / "metrics.json").read_text())
    for name in ("collaborative", "sound"):
        for model in (name, f"{name}/item_knn", f"{name}/popularity"):
            for metric in ("r_precision", "ndcg@500", "recall@10", "recall@100"):
                assert 0 <= metrics[f"continuation/{model}/{metric}"] <= 1
        ndcg = {model: metrics[f"continuation/{name}{model}/ndcg@500"] for model in ("", "/item_knn", "/popularity")}
        assert ndcg[""] > ndcg["/popularity"] + 0.1, "a playlist is of one genre"
        assert metrics[f"purity/{name}/genre"] > metrics[f"purity/{name}/genre/chance"] + 0.3
        assert metrics[f"purity/{name}/artist_ci95"] > 0
        assert 0.9 < metrics[f"known/{name}"] <= 1
        for picture in ("continuation", "training"):
            assert (run / "figures" / f"{name}_{picture}.png").stat().st_size > 1_000
    # The songs are every other track, of which half the genres are.
    assert metrics["purity/sound/genre/chance"] == pytest.approx(29 / 59)
    report = (run / "report.md").read_text()
    assert "# Modality encoders on million_playlist_songs\n\n200 playlists with 2,800 places of 120 tracks." in report
    assert "| item-kNN |" in report
    assert "![continuation](figures/sound_continuation.png)" in report
    assert "continuation of playlists on million_playlist_songs" in said.out
    assert "sound: genre" in said.out

    # What was trained is kept, and so is what comes of it.
    (run / "metrics.json").unlink()
    before = {path: path.stat().st_mtime_ns for path in (run / "encoders").rglob("_CHECKPOINT_METADATA")}
    assert command(*SMALL, *published).status == 0
    assert json.loads((run / "metrics.json").read_text()) == metrics
    assert {path: path.stat().st_mtime_ns for path in (run / "encoders").rglob("_CHECKPOINT_METADATA")} == before
    assert before
    again = command(*SMALL, *published)
    assert "this run has ended before; its results are" in again.out
    assert "sound: genre" in again.out
    other = command(*SMALL, *published, "neighbours=5")
    assert other.status == 1
    assert "neighbours was 10 and is now 5" in other.err


def test_what_learns_from_something_else_is_left_out(
    command: Command, published: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(
        "defaults: [million_playlist, _self_]\nname: mine\nmodalities:\n  heard:\n"
        "    _target_: experiments.user_representation.encoders.Collaborative\n    together: [histories, playlists]\n"
    )
    own = (f"--config-dir={tmp_path}", "experiment=modality_encoders", "data=mine", published[0])
    said = command(*own, "data.modalities.collaborative.epochs=1", "baselines=[]")
    assert said.status == 0, said.err
    assert "heard is left out: it learns from histories and playlists" in said.out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert {"continuation/collaborative/ndcg@500", "purity/collaborative/artist"} < set(metrics)
    assert not [name for name in metrics if "genre" in name or "heard" in name or "popularity" in name]


@pytest.mark.parametrize(
    ("knobs", "told"),
    [
        (("data=radio",), "data.modalities of radio names none that learns from playlists, but encoders are tried on"),
        (("data=movietweetings",), "take data=million_playlist or data=streaming, or experiment=user_representation"),
        (("data=million_playlist",), "million_playlist needs data.path=..."),
        (("data=million_playlist_songs", "data.path=x"), "million_playlist_songs needs data.songs=..."),
        (("baselines=[ease]",), "baselines names 'ease', but there are: item_knn, popularity"),
        (("neighbours=0",), "neighbours is 0, but must be at least 1"),
        (("data.protocol=pairs",), "data.protocol is pairs, but encoders are tested on the ends of playlists"),
    ],
)
def test_what_is_wrong_is_told(command: Command, knobs: tuple[str, ...], told: str) -> None:
    said = command("experiment=modality_encoders", *knobs)
    assert said.status == 1
    assert told in said.err


def test_data_without_playlists_is_refused(command: Command, tmp_path: Path) -> None:
    """A data set of one's own, whose config names an encoder that learns from playlists that aren't there."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(
        "defaults: [interactions, _self_]\nname: mine\nmodalities:\n  together:\n"
        "    _target_: experiments.user_representation.encoders.Collaborative\n    together: [playlists]\n"
    )
    (tmp_path / "plays.csv").write_text("user_id,item_id,timestamp,feedback\nann,1,60,play\n")
    own = (f"--config-dir={tmp_path}", "experiment=modality_encoders", "data=mine", f"data.path={tmp_path}/plays.csv")
    said = command(*own)
    assert said.status == 1
    assert "mine has no table of playlists, but encoders are tried on playlists here; take data=million" in said.err


def test_no_events_are_nothing_to_learn_feedback_from(command: Command, published: tuple[str, str]) -> None:
    said = command(NEGATIVE, "data=million_playlist", published[0], "data.protocol=pairs")
    assert said.status == 1
    assert "million_playlist tells of no events, but negative_feedback learns from ups" in said.err
