"""All settings of one training, and what is left of the model without one of its parts."""

import dataclasses
from pathlib import Path
from typing import Literal, get_args

from omegaconf import DictConfig

from experiments.negative_feedback.beginning import FACTORISED, ItemStart
from experiments.own import own_function
from urep_jax.data.cases import Split
from urep_jax.data.sequences import SequenceConfig, Sequences
from urep_jax.data.source import Crops, TrainingBatches
from urep_jax.data.vocabulary import Vocabulary
from urep_jax.models.transformer import TransformerConfig
from urep_jax.training.fit import FitConfig
from urep_jax.training.negative_feedback import LossConfig, OwnLoss
from urep_jax.training.objective import TableMode
from urep_jax.training.optimizers import OptimizerName, ScheduleName

Ablation = Literal["none", "hard_negatives", "feedback_inputs", "positions", "half_length", "negative_feedback"]
"""What a model is trained without (Table 2). Without `negative_feedback` it is the paper's baseline (§3)."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All settings of one training, checked."""

    sequences: SequenceConfig
    model: TransformerConfig
    loss: LossConfig
    fit: FitConfig
    learning_rate: float
    negative_power: float
    strata: int
    optimizer: OptimizerName = "adam"
    schedule: ScheduleName = "constant"
    warmup: int = 0
    crops: Crops = "one"
    tables: TableMode = "auto"
    init_from: Path | None = None
    """Folder of a run whose parameters the training begins with."""
    item_start: ItemStart = "fresh"
    item_content: tuple[str, ...] = ()
    """Columns of the items table, of which the beginning of items knows."""
    item_days: float | None = None
    """Days in which an event loses all but 1/e of its weight in the beginning of items; None: it loses nothing."""

    def __post_init__(self) -> None:
        if self.optimizer not in get_args(OptimizerName):
            raise ValueError(
                f"train.optimizer is {self.optimizer!r}, but must be one of {', '.join(get_args(OptimizerName))}"
            )
        if self.loss.name == "softmax" and self.sequences.p_hard:
            raise ValueError(
                f"p_hard is {self.sequences.p_hard}, but with loss=softmax every item is a negative already, and no "
                "hard one can be added; set p_hard=0"
            )
        if self.loss.name == "softmax" and self.loss.k_negatives != 1:
            raise ValueError(
                f"k_negatives is {self.loss.k_negatives}, but loss=softmax draws none; leave it at 1, or choose "
                "loss=sampled_softmax"
            )

        if self.item_start != "fresh" and self.init_from is not None:
            raise ValueError(
                f"train.item_start is {self.item_start!r} and train.init_from {str(self.init_from)!r}, but items can "
                "begin with one of them only; leave one out"
            )
        if (self.item_content or self.item_days is not None) and self.item_start not in FACTORISED:
            name, value = ("content", list(self.item_content)) if self.item_content else ("days", self.item_days)
            raise ValueError(
                f"train.item_{name} is {value}, but items begin as {self.item_start}, which knows of no {name}; set "
                f"train.item_start to {' or '.join(FACTORISED)}"
            )
        if self.item_days is not None and not self.item_days > 0:
            raise ValueError(f"train.item_days is {self.item_days}, but must be above 0")
        if not (self.loss.k_negatives or self.sequences.p_hard or self.sequences.down_tasks):
            raise ValueError(
                "k_negatives is 0, p_hard is 0 and down_tasks is false, so that ups would be set against nothing at "
                "all; set k_negatives=1, or one of the others"
            )
        if self.sequences.down_tasks and self.loss.name != "bce":
            raise ValueError(
                f"down_tasks is true with loss={self.loss.name}, but only bce knows a task without a target; set "
                "loss=bce"
            )

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Recipe":
        """The recipe that a config describes, which needs no data yet: its model knows one item, station and device.

        Raises:
            ValueError: naming the knob that is wrong.
        """
        train = cfg.train
        whole = cls(
            sequences=SequenceConfig(
                max_length=cfg.max_length,
                inputs=tuple(cfg.inputs),
                p_task=cfg.p_task,
                p_hard=cfg.p_hard,
                tasks="next" if cfg.model.attention == "causal" else "cloze",
                down_tasks=cfg.down_tasks,
            ),
            model=TransformerConfig(
                num_items=1,
                num_stations=1,
                num_devices=1,
                max_length=cfg.max_length,
                **cfg.model,
            ),
            loss=LossConfig(
                _loss(cfg.loss),
                k_negatives=cfg.k_negatives,
                leave_out_heard=cfg.leave_out_heard,
                calibration=train.calibration,
                batch_size=train.batch_size,
            ),
            fit=FitConfig(
                epochs=train.epochs,
                patience=train.patience,
                seed=cfg.seed,
                parallel=train.parallel,
                checkpoint_every=train.checkpoint_every,
                average=train.average,
                table_layout=train.table_layout,
                readers=train.readers,
            ),
            learning_rate=train.learning_rate,
            optimizer=train.optimizer,
            schedule=train.schedule,
            warmup=train.warmup,
            negative_power=train.negative_power,
            strata=train.strata,
            crops=train.crops,
            tables=train.tables,
            init_from=None if train.init_from is None else Path(train.init_from),
            item_start=train.item_start,
            item_content=tuple(train.item_content),
            item_days=train.item_days,
        )
        return whole.without(cfg.ablation)

    def sized_for(self, vocabulary: Vocabulary) -> "Recipe":
        """The same, with tables for what `vocabulary` holds."""
        model = dataclasses.replace(
            self.model,
            num_items=len(vocabulary.item_ids),
            num_stations=len(vocabulary.station_ids),
            num_devices=len(vocabulary.device_ids),
        )
        return dataclasses.replace(self, model=model)

    def batches(self, sequences: Sequences, split: Split) -> TrainingBatches:
        """What it trains on."""
        return TrainingBatches(sequences, split, self.loss.batch_size, self.fit.seed, self.strata, self.crops)

    def without(self, part: Ablation) -> "Recipe":
        """The recipe of a model that lacks a part of this one.

        Raises:
            ValueError: if there is no such part.
        """
        replace = dataclasses.replace
        sequences, model, loss, whole = self.sequences, self.model, self.loss, self
        match part:
            case "none":
                pass
            case "hard_negatives":
                sequences = replace(sequences, p_hard=0.0, down_tasks=False)
                loss = replace(loss, k_negatives=max(1, loss.k_negatives))
            case "feedback_inputs":
                sequences = replace(sequences, inputs=("up",))
            case "positions":
                model = replace(model, position=False)
            case "half_length":
                half = max(2, model.max_length // 2)
                sequences, model = replace(sequences, max_length=half), replace(model, max_length=half)
            case "negative_feedback":
                # Ups alone as input, random negatives, no feedback embedding.
                sequences = replace(sequences, inputs=("up",), p_hard=0.0, down_tasks=False)
                model = replace(model, feedback=False, fold_in=False)
                loss = replace(loss, name="bce", k_negatives=1, leave_out_heard=False)
                whole = self.beginning_fresh()
            case _:
                raise ValueError(f"ablation is {part!r}, but must be one of {', '.join(get_args(Ablation))}")
        return replace(whole, sequences=sequences, model=model, loss=loss)

    def beginning_fresh(self) -> "Recipe":
        """The same, with items that begin as chance has them."""
        return dataclasses.replace(self, item_start="fresh", item_content=(), item_days=None)


def _loss(name: str) -> str | OwnLoss:
    """One of the losses by its name, or one's own by the place of its function: `my_losses.hinge`."""
    return own_function("loss", name) if "." in name else name
