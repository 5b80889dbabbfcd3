"""Every knob of the user-representation chain but those of its modalities, checked before any data is read."""

import dataclasses
from typing import get_args

from omegaconf import DictConfig

from experiments.data import refuse_split
from experiments.user_representation.paper import BESIDE
from urep_jax.data.splits import seconds
from urep_jax.data.user_features.groups import FeatureConfig
from urep_jax.data.user_features.profiles import CATEGORIES
from urep_jax.models.autoencoder import AutoencoderConfig
from urep_jax.models.preference import PreferenceConfig
from urep_jax.models.ranker import RankerConfig
from urep_jax.models.two_tower import TwoTowerConfig
from urep_jax.serving.neighbours import check_index
from urep_jax.training.fit import FitConfig
from urep_jax.training.optimizers import ScheduleName


@dataclasses.dataclass(frozen=True)
class Training:
    """How a model learns.

    Attributes:
        fit: for how long.
        batch_size: rows of a step.
        learning_rate: its peak.
        schedule: what it does after the warm-up.
        warmup: steps in which it rises.
    """

    fit: FitConfig
    batch_size: int
    learning_rate: float
    schedule: ScheduleName = "constant"
    warmup: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, but must be at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}, but must be above 0")
        if self.schedule not in get_args(ScheduleName):
            raise ValueError(f"schedule is {self.schedule!r}, but must be one of {', '.join(get_args(ScheduleName))}")


@dataclasses.dataclass(frozen=True)
class Asked:
    """Who is evaluated, when, and on what.

    Attributes:
        now: when established users are asked about: an ISO date or date and time (UTC unless it says otherwise), or
            seconds since 1970. None: `days` before the log ends. What happens more than `days` later isn't looked at.
        days: D, of future listening (§5.1.1).
        hours: of the listening of new users after they registered.
        established_days: how long an established user has been there.
        weeks: moments, a week apart, at which users are learnt from; the last of them is when they are asked about.
        shares: of users who train, validate and test.
        most: items of a user that are asked about at most.
        beside: what z_u is compared with, of `paper.BESIDE`.

    Raises:
        ValueError: if a value is out of range.
    """

    now: str | int | None = None
    days: int = 7
    hours: int = 4
    established_days: int = 30
    weeks: int = 4
    shares: tuple[float, ...] = (0.7, 0.1, 0.2)
    most: int = 50
    beside: tuple[str, ...] = BESIDE

    def __post_init__(self) -> None:
        seconds(self.now, "evaluation.now")
        for name in ("days", "hours", "weeks", "most"):
            if getattr(self, name) < 1:
                raise ValueError(f"evaluation.{name} is {getattr(self, name)}, but must be at least 1")
        if unknown := [name for name in self.beside if name not in BESIDE]:
            raise ValueError(f"evaluation.beside names {unknown[0]!r}, but must be some of {', '.join(BESIDE)}")
        if len(self.shares) != 3 or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-9:
            raise ValueError(
                f"evaluation.shares is {list(self.shares)}, but must be three shares above 0 that add up to 1: of "
                "users who train, validate and test"
            )


@dataclasses.dataclass(frozen=True)
class TwoTower:
    """What finds candidates.

    Attributes:
        model: the towers, for vectors of width 1.
        block: pairs that are each other's negatives.
        training: how they learn; rows of a step are blocks.
        index: what faiss is to look through besides, such as HNSW32; None for nothing.
    """

    model: TwoTowerConfig
    block: int
    training: Training
    index: str | None

    def __post_init__(self) -> None:
        if self.block < 2:
            raise ValueError(f"two_tower.block is {self.block}, but must be at least 2: negatives are in the block")
        if self.index is not None:
            check_index(self.index, self.model.width)


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs.

    Attributes:
        features: which features there are.
        categories: columns of the users table that are categories.
        model: the autoencoder, for one feature: the data says how many there are.
        squared: whether the loss is the norm's square.
        group_weights: weight of groups in the loss by a tag of theirs; 1 where none is given.
        training: of the autoencoder.
        classifier: what is trained on representations, for vectors of width 1.
        transfer: its training.
        two_tower: what finds candidates.
        ranker: what orders them, for vectors of width 1.
        ranking: its training.
        asked: who is evaluated, when, and on what.
        seed: names all random streams.
    """

    features: FeatureConfig
    categories: tuple[str, ...]
    model: AutoencoderConfig
    squared: bool
    group_weights: dict[str, float]
    training: Training
    classifier: PreferenceConfig
    transfer: Training
    two_tower: TwoTower
    ranker: RankerConfig
    ranking: Training
    asked: Asked
    seed: int

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Settings":
        """The knobs of a config.

        Raises:
            ValueError: naming the knob that is wrong.
        """
        refuse_split(cfg, "user representations are tested as evaluation=... says")
        train, transfer, towers, ranker = cfg.train, cfg.transfer, cfg.two_tower, cfg.ranker
        # Which tasks there are is known to those who do them.
        asked = {str(knob): value for knob, value in cfg.evaluation.items() if knob != "tasks"}
        return cls(
            features=FeatureConfig(
                tuple(cfg.features.windows), cfg.features.onboarding_days, tuple(cfg.features.without)
            ),
            categories=categories_of(cfg),
            model=AutoencoderConfig(1, cfg.model.width, tuple(cfg.model.hidden), cfg.model.dropout),
            squared=train.squared,
            group_weights={str(tag): float(weight) for tag, weight in (train.group_weights or {}).items()},
            training=_training(cfg, train),
            classifier=PreferenceConfig(1, 1, transfer.width, transfer.hidden, transfer.dropout),
            transfer=_training(cfg, transfer),
            two_tower=TwoTower(
                TwoTowerConfig(1, 1, towers.width, tuple(towers.hidden)),
                towers.block,
                _training(cfg, towers),
                towers.index,
            ),
            ranker=RankerConfig(1, 1, ranker.width, ranker.hidden),
            ranking=_training(cfg, ranker),
            asked=Asked(**{**asked, "shares": tuple(asked["shares"]), "beside": tuple(asked["beside"])}),
            seed=cfg.seed,
        )


def categories_of(cfg: DictConfig) -> tuple[str, ...]:
    """The columns of the users table that are categories: the data's own, or those that the library knows."""
    return tuple(cfg.data.get("categories", CATEGORIES))


def _training(cfg: DictConfig, own: DictConfig) -> Training:
    """How one model learns: what it says itself, and what is said of all."""
    fit = FitConfig(own.epochs, own.patience, cfg.seed, cfg.train.parallel, cfg.train.checkpoint_every)
    further = {knob: own[knob] for knob in ("schedule", "warmup") if knob in own}
    return Training(fit, own.batch_size, own.learning_rate, **further)
