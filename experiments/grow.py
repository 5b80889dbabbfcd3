"""`task=grow`: new items for what a run has trained, be it a chain of user representations or a recommender."""

from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder
from experiments.negative_feedback.grow import grow_recommender
from experiments.user_representation.grow import grow_chain
from urep_jax.serving.restore import holds_encoder


def grow(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Let the new items of `data` into the models of `task.run`; returns what `metrics.json` holds."""
    if cfg.task.run is None:
        raise ValueError("task=grow needs task.run=FOLDER, the folder of a run that trained models, or of their growth")
    grown = grow_chain if holds_encoder(cfg.task.run) else grow_recommender
    return grown(cfg, folder, console)
