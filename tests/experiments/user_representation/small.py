"""The streaming service and its chain, shrunk to what a test has time for."""

SMALL = (
    "experiment=user_representation",
    "data.source.params.num_users=150",
    *(
        f"+data.source.params.{name}={value}"
        for name, value in {
            "num_tracks": 300,
            "num_artists": 60,
            "num_genres": 6,
            "num_shows": 20,
            "max_sessions": 96,
            "num_playlists": 300,
            "playlist_log_length": 3.0,
            "audio_bands": 16,
            "audio_frames": 16,
        }.items()
    ),
    *("data.modalities.audio.shape=[16,16]", "data.modalities.audio.epochs=1", "data.modalities.audio.most_sets=60"),
    *(
        "+data.modalities.collaborative.epochs=2",
        "+data.modalities.shows.epochs=1",
        "data.modalities.shows.min_items=2",
    ),
    *("train.epochs=2", "train.batch_size=64", "model.width=8", "model.hidden=[32]", "transfer.epochs=2"),
    *("two_tower.block=32", "two_tower.epochs=2", "ranker.batch_size=16", "ranker.epochs=2"),
    *("evaluation.shares=[0.5,0.2,0.3]", "evaluation.weeks=2", "evaluation.days=30"),
)
"""Small enough to be trained in half a minute."""
