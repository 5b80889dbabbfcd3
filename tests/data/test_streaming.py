"""The simulated streaming service as a data set: the log, and all tables beside it."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from tests.simulation.streaming.worlds import SMALL
from urep_jax.data.datasets.streaming import StreamingConfig
from urep_jax.data.ingest.schema import COMPANIONS
from urep_jax.simulation.streaming.params import DEVICES


def test_log_and_companions(tmp_path: Path) -> None:
    builder = StreamingConfig(params=SMALL, world=0).builder(tmp_path)
    builder.download_and_prepare()
    assert set(builder.meta()["columns"]) == {"item", "timestamp", "feedback", "device", "played_ratio", "affinity"}
    ids = builder.ids()
    assert ids["device_ids"].to_pylist() == list(DEVICES)
    tables: dict[str, pa.Table] = {}
    for name, schema in COMPANIONS.items():
        table = builder.companion(name)
        assert table is not None, name
        # Genres are what the world hides: tracks have them, and no table tells.
        for column in (column for column in schema.columns if column.name != "genres"):
            assert table.schema.field(column.name).type == column.type, f"{name}.{column.name}"
        tables[name] = table

    items = tables["items"]
    assert items["item_id"].to_pylist() == ids["item_ids"].to_pylist()
    assert items["content_type"].to_pylist() == ["track"] * SMALL.num_tracks + ["show"] * SMALL.num_shows
    is_null = {name: np.asarray(items[name].is_null()) for name in ("log_mel", "topic_vector", "artist_id")}
    is_show = np.arange(SMALL.num_items) >= SMALL.num_tracks
    np.testing.assert_array_equal(is_null["log_mel"], is_show)
    np.testing.assert_array_equal(is_null["artist_id"], is_show)
    np.testing.assert_array_equal(is_null["topic_vector"], ~is_show)
    assert len(items["log_mel"][0]) == SMALL.audio_bands * SMALL.audio_frames
    assert len(items["topic_vector"][SMALL.num_items - 1]) == SMALL.content_dim

    assert tables["users"]["user_id"].to_pylist() == ids["sequence_ids"].to_pylist()
    assert set(tables["onboarding"]["user_id"].to_pylist()) <= set(ids["sequence_ids"].to_pylist())
    assert set(tables["playlists"]["item_id"].to_pylist()) <= set(ids["item_ids"].to_pylist())
    assert set(tables["follows"]["artist_id"].to_pylist()) <= set(tables["artists"]["artist_id"].to_pylist())
