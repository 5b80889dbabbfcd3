"""Last.fm-1K: the published layout, by hand."""

from pathlib import Path

import pytest

from tests.data.ingested import told
from urep_jax.data.datasets.lastfm_1k import Builder, Lastfm1kConfig
from urep_jax.data.ingest import IngestError
from urep_jax.data.log import EventLog
from urep_jax.data.prepare import prepare

LISTENS, PROFILES = "userid-timestamp-artid-artname-traid-traname.tsv", "userid-profile.tsv"
NOON = 1241438400  # 2009-05-04T12:00:00Z
# Minutes past noon, artist's id and name, track's id and name.
ROWS = [
    ("user_000001", 9, "a1", "Deerhunter", "t1", "Agoraphobia"),
    ("user_000001", 8, "a1", "Deerhunter", "", "Little Kids"),
    ("user_000001", 3, "", "Deerhunter", "", "Little Kids"),
    ("user_000002", 7, "", "Nirvana", "", "Intro"),
    ("user_000002", 6, "a2", "Nirvana", "", "Intro"),
    ("user_000002", 5, "a3", "Nirvana", "", "Intro"),
    ("user_000002", 4, "", 'The "X"', "", "Intro"),
    ("user_000003", 4, "", "Deerhunter", "t1", "Agoraphobia (live)"),
    ("user_000003", 5, "a1", "Deerhunter", "t1", "Agoraphobia"),
]
USERS = (
    "#id\tgender\tage\tcountry\tregistered\n"
    "user_000001\tm\t\tJapan\tAug 13, 2006\n"
    "user_000002\t\t24\t\tFeb 1, 2006\n"
    "user_000003\tf\t\t\t\n"
)


def lines(rows: list[tuple[str, int, str, str, str, str]]) -> str:
    # The latest comes first, as in the published file.
    fields = [(user, f"2009-05-04T12:{minute:02}:00Z", *names) for user, minute, *names in rows]
    return "".join("\t".join(row) + "\n" for row in fields)


def publish(folder: Path, listens: str | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / LISTENS).write_text(lines(ROWS) if listens is None else listens, encoding="utf-8")
    (folder / PROFILES).write_text(USERS, encoding="utf-8")
    return folder


def assert_published(log: EventLog, word: str = "play") -> None:
    assert told(log) == [
        ("user_000001", "Deerhunter\tLittle Kids", NOON + 180, word),
        ("user_000001", "a1\tLittle Kids", NOON + 480, word),
        ("user_000001", "t1", NOON + 540, word),
        ("user_000002", 'The "X"\tIntro', NOON + 240, word),
        ("user_000002", "a3\tIntro", NOON + 300, word),
        ("user_000002", "a2\tIntro", NOON + 360, word),
        ("user_000002", "Nirvana\tIntro", NOON + 420, word),
        ("user_000003", "t1", NOON + 240, word),
        ("user_000003", "t1", NOON + 300, word),
    ]
    assert (log.name, log.granularity, log.station) == ("lastfm_1k", "user", None)


@pytest.mark.parametrize("place", ["", "lastfm-dataset-1K"])
def test_as_published(tmp_path: Path, place: str) -> None:
    publish(tmp_path / "data" / place)
    config = Lastfm1kConfig(path=tmp_path / "data")
    log = prepare(config, tmp_path / "workspace")
    assert_published(log)
    builder = config.builder(tmp_path / "workspace" / "datasets")
    items, users = builder.companion("items"), builder.companion("users")
    assert items is not None
    assert items["item_id"].to_pylist() == log.item_ids.to_pylist()
    assert {row["item_id"]: (row["artist_id"], row["artist_name"], row["track_name"]) for row in items.to_pylist()} == {
        "t1": ("a1", "Deerhunter", "Agoraphobia"),  # as two of three lines say
        "a1\tLittle Kids": ("a1", "Deerhunter", "Little Kids"),
        "Deerhunter\tLittle Kids": ("Deerhunter", "Deerhunter", "Little Kids"),
        "a2\tIntro": ("a2", "Nirvana", "Intro"),
        "a3\tIntro": ("a3", "Nirvana", "Intro"),
        "Nirvana\tIntro": ("Nirvana", "Nirvana", "Intro"),
        'The "X"\tIntro': ('The "X"', 'The "X"', "Intro"),
    }
    assert users is not None
    keys = ("user_id", "gender", "age", "country", "registered_at")
    assert [tuple(row[key] for key in keys) for row in users.to_pylist()] == [
        ("user_000001", "m", None, "Japan", 1155427200),
        ("user_000002", None, 24, None, 1138752000),
        ("user_000003", "f", None, None, None),
    ]


def test_listens_may_count_as_ups(tmp_path: Path) -> None:
    assert_published(
        prepare(Lastfm1kConfig(path=publish(tmp_path / "data"), played="up"), tmp_path / "workspace"), "up"
    )


def test_what_cannot_be_is_rejected(tmp_path: Path) -> None:
    many = lines([("user_000001", minute % 60, "a1", "X", f"t{minute}", "Y") for minute in range(400)])
    wrong = [
        "user_000001\t2013-09-29T18:32:04Z\ta1\tX\tt1\tY\n",
        "user_000001\t2009-05-04T12:00:00Z\ta1\tX\tt1\tY\tcut by a tab\n",
        "user_000001\t2009-05-04T12:00:00Z\ta1\tX\t\t\n",
    ]
    config = Lastfm1kConfig(path=publish(tmp_path / "data", many + "".join(wrong)))
    assert prepare(config, tmp_path / "workspace").num_events == 400
    report = config.builder(tmp_path / "workspace" / "datasets").report()
    assert report is not None
    assert report.reasons == {
        "the item id is missing": 1,
        "the line should have 6 fields, as the header or names say": 1,
        "the time is in the future; it must be seconds since 1970, in UTC": 1,
    }
    later = Lastfm1kConfig(path=tmp_path / "data", until="2013-09-30")
    assert prepare(later, tmp_path / "workspace").num_events == 401


def test_many_rejects_stop_it(tmp_path: Path) -> None:
    publish(tmp_path, lines([*ROWS, ("user_000001", 1, "", "X", "", "")]))
    with pytest.raises(IngestError, match=r"(?s); get it again from http://ocelma\.net.*line 10: item_id is None"):
        prepare(Lastfm1kConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize("name", [LISTENS, PROFILES])
def test_a_missing_file_is_told_with_where_to_get_it(tmp_path: Path, name: str) -> None:
    (publish(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"holds no {name}; get lastfm-dataset-1K\.tar\.gz from http://ocelma"):
        prepare(Lastfm1kConfig(path=tmp_path), tmp_path / "workspace")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"played": "skip"}, "played is 'skip', but must be one of play, up"),
        ({"until": "May 5"}, "until is 'May 5', but must be a date such as 2009-07-01"),
    ],
)
def test_options_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lastfm1kConfig(path="x", **options)


def test_the_builder_is_laid_out_as_tfds_does() -> None:
    metadata = Builder.get_metadata()
    assert "non-commercial" in metadata.description
    assert "celma2010music" in metadata.citation
