"""User representations and track rankings from music-streaming logs, in JAX and Flax.

Train with `python -m experiments.run`, then use what was trained:

    import urep_jax

    model = urep_jax.restore("outputs/runs/negative_feedback/radio/2026-01-31_12-00-00")
    events = {"item_id": ["track 7", "track 12"], "feedback": ["up", "skip"]}
    model.rank(events, candidates=["track 1", "track 2"], station="station 3").items
    model.recommend(events, station="station 3", k=5).items

This list is short; each room of the library says in its docstring what else there is:

| room | holds |
|---|---|
| `urep_jax.core` | types, random streams, the device mesh |
| `urep_jax.simulation` | the simulated streaming world |
| `urep_jax.data` | from files to batches |
| `urep_jax.models`, `losses`, `metrics` | pure functions of arrays |
| `urep_jax.training` | objectives, the one loop, checkpoints |
| `urep_jax.evaluation`, `baselines` | the papers' protocols, and what a model must beat |
| `urep_jax.serving` | trained models, ready to call |
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urep_jax.core.types import Feedback
    from urep_jax.data.ingest import ingest
    from urep_jax.data.log import EventLog, load_log
    from urep_jax.serving.content_encoder import ContentEncoder
    from urep_jax.serving.events import events_of
    from urep_jax.serving.preference import Preference, restore_preference
    from urep_jax.serving.recommender import Ranking, Recommender, Unknown
    from urep_jax.serving.restore import restore, restore_content_encoder, restore_encoder
    from urep_jax.serving.user_encoder import UserEncoder

__all__ = [
    "ContentEncoder",
    "EventLog",
    "Feedback",
    "Preference",
    "Ranking",
    "Recommender",
    "Unknown",
    "UserEncoder",
    "events_of",
    "ingest",
    "load_log",
    "restore",
    "restore_content_encoder",
    "restore_encoder",
    "restore_preference",
]

_HOMES = {
    "ContentEncoder": "serving.content_encoder",
    "EventLog": "data.log",
    "Feedback": "core.types",
    "Preference": "serving.preference",
    "Ranking": "serving.recommender",
    "Recommender": "serving.recommender",
    "Unknown": "serving.recommender",
    "UserEncoder": "serving.user_encoder",
    "events_of": "serving.events",
    "ingest": "data.ingest",
    "load_log": "data.log",
    "restore": "serving.restore",
    "restore_content_encoder": "serving.restore",
    "restore_encoder": "serving.restore",
    "restore_preference": "serving.preference",
}


def __getattr__(name: str) -> Any:
    """Import a name of the list when it is first asked for, so that `import urep_jax` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; its names are {', '.join(__all__)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
