"""Every knob of the encoders' own experiment but those of the modalities, checked before any data is read."""

import dataclasses

from omegaconf import DictConfig

from experiments.data import refuse_split
from urep_jax.baselines.item_knn import item_knn
from urep_jax.baselines.popularity import popularity
from urep_jax.training.fit import FitConfig

BASELINES = {"item_knn": item_knn, "popularity": popularity}
"""What is tested beside each encoder, by the name that the config gives it."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs.

    Attributes:
        fit: how encoders train, but for what each of them says itself.
        baselines: what is tested beside them.
        neighbours: of a track, that are looked at for its artist and its genre; at least 1.

    Raises:
        ValueError: if a value is out of range.
    """

    fit: FitConfig
    baselines: tuple[str, ...]
    neighbours: int

    def __post_init__(self) -> None:
        for name in self.baselines:
            if name not in BASELINES:
                raise ValueError(f"baselines names {name!r}, but there are: {', '.join(BASELINES)}")
        if self.neighbours < 1:
            raise ValueError(f"neighbours is {self.neighbours}, but must be at least 1")

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Settings":
        """The knobs of a config.

        Raises:
            ValueError: naming the knob that is wrong.
        """
        refuse_split(cfg, "encoders are tested on the ends of playlists")
        return cls(
            FitConfig(seed=cfg.seed, parallel=cfg.parallel, checkpoint_every=cfg.checkpoint_every),
            tuple(cfg.baselines),
            cfg.neighbours,
        )
