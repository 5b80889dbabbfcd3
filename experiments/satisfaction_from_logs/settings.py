"""Every knob of what is learnt from logs of satisfaction, checked before any world is made."""

import dataclasses
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.data import made, refuse_split
from urep_jax.agents.dqn import DqnConfig
from urep_jax.agents.ppo import PpoConfig
from urep_jax.data.forecast_questions import HORIZONS
from urep_jax.data.listening_history import Features
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.models.response_model import ResponseConfig
from urep_jax.simulation.satisfaction.candidates import Offer
from urep_jax.simulation.satisfaction.making import ItemParams
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK, HOURS_PER_DAY
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.streaming.params import StreamingParams


@dataclasses.dataclass(frozen=True)
class Learning:
    """How a model is learnt.

    Attributes:
        epochs: at most.
        batch_size: windows or questions of a batch.
        learning_rate: at its peak.
        model: its size; what it reads is counted later.

    Raises:
        ValueError: if a value is out of range.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    model: dict[str, Any]

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate is {self.learning_rate}, but must be above 0")
        self.sized(1, 1, 1)

    def sized(self, listener: int, item: int, relation: int) -> ResponseConfig:
        """The model of so many numbers each."""
        return ResponseConfig(listener, item, relation, **self.model)

    def reading(self, seen: Features) -> ResponseConfig:
        """The model that reads these, or what has their shapes."""
        return self.sized(seen.listener.shape[-1], seen.item.shape[-1], seen.relation.shape[-1])


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs.

    Attributes:
        seeds: the worlds, each with logs and models of its own.
        streaming: what can be played, and who listens.
        items: what nourishes of it.
        offer: where candidates come from.
        params: how satisfaction moves.
        listeners: of each world, who are learnt from; as many others are, for a second response model.
        tested: who are judged on, so many twice.
        policies: that are tried out.
        strength: of their weights.
        most_events: of a listener, after which the log is cut.
        survey: share of the sessions after which listeners are asked.
        response: how the response model is learnt.
        forecast: how forecasts are.
        followed: of those tested, who live in the learned worlds, and with whom policies are compared.
        myopic: how the myopic agent learns there.
        ppo: how policy optimisation does.
        base_weight: what the myopic agent's expectation weighs in the scores that policy optimisation begins with.

    Raises:
        ValueError: if a value is out of range.
    """

    seeds: tuple[int, ...]
    streaming: StreamingParams
    items: ItemParams
    offer: Offer
    params: SatisfactionParams
    listeners: int
    tested: int
    policies: int
    strength: float
    most_events: int
    survey: float
    response: Learning
    forecast: Learning
    followed: int
    myopic: DqnConfig
    ppo: PpoConfig
    base_weight: float

    def __post_init__(self) -> None:
        for name, least in (("listeners", 2), ("tested", 1), ("policies", 1), ("most_events", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"logs.{name} is {getattr(self, name)}, but must be at least {least}")
        there, needed = self.streaming.num_users, 2 * (self.listeners + self.tested)
        if needed > there:
            raise ValueError(
                f"logs.listeners is {self.listeners} and logs.tested {self.tested}, which takes {needed} listeners, "
                f"but a world has {there}; lower them, or raise data.source.params.num_users"
            )
        if not 1 <= self.followed <= self.tested:
            raise ValueError(
                f"learned.listeners is {self.followed}, but must lie between 1 and logs.tested, {self.tested}"
            )
        if not self.strength >= 0:
            raise ValueError(f"logs.strength is {self.strength}, but must be at least 0")
        furthest = max(horizon.latest for horizon in HORIZONS) / HOURS_PER_DAY / DAYS_PER_WEEK
        if self.params.weeks <= furthest:
            raise ValueError(
                f"satisfaction.weeks is {self.params.weeks:g}, but to ask what is wanted a week later takes more than "
                f"{furthest:.2g}; raise it"
            )
        if not 0 < self.survey <= 1:
            raise ValueError(f"survey is {self.survey}, but must lie above 0 and be at most 1")

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Settings":
        """The knobs of a config.

        Raises:
            ValueError: naming the knob that is wrong.
        """
        refuse_split(cfg, "what was learnt is judged on other listeners")
        if cfg.data.name != "streaming":
            raise ValueError(
                f"data is {cfg.data.name}, but whether listeners are satisfied only a simulation tells; take "
                "data=streaming"
            )
        if cfg.worlds < 1:
            raise ValueError(f"worlds is {cfg.worlds}, but must be at least 1")

        network = CandidateScorerConfig(**cfg.learned.network)

        def agent(name: str) -> Any:
            given = OmegaConf.to_container(cfg.learned[name])
            assert isinstance(given, dict)
            return {"network": network, **{str(key): value for key, value in given.items()}}

        return cls(
            seeds=tuple(range(cfg.seed, cfg.seed + cfg.worlds)),
            streaming=made(cfg.data.source).params,
            items=made(cfg.catalogue),
            offer=made(cfg.candidates),
            params=made(cfg.satisfaction),
            listeners=cfg.logs.listeners,
            tested=cfg.logs.tested,
            policies=cfg.logs.policies,
            strength=cfg.logs.strength,
            most_events=cfg.logs.most_events,
            survey=cfg.survey,
            response=learning(cfg, "response"),
            forecast=learning(cfg, "forecast"),
            followed=cfg.learned.listeners,
            myopic=DqnConfig(**agent("myopic"), horizon_days=0.0, reward_unit=1.0),
            ppo=PpoConfig(**agent("ppo")),
            base_weight=cfg.learned.base_weight,
        )


def learning(cfg: DictConfig, name: str) -> Learning:
    """How one of the models of `cfg.learn` is learnt.

    Args:
        cfg: the run's.
        name: `response` or `forecast`.

    Raises:
        ValueError: naming the knob that is wrong.
    """
    given = OmegaConf.to_container(cfg.learn[name])
    assert isinstance(given, dict)
    how = {str(key): given.pop(key) for key in ("epochs", "batch_size", "learning_rate")}
    # What is remembered of a history is all that a forecast reads of it.
    fixed = {"blocks": 0, "heads": 1, "window": 1} if name == "forecast" else {}
    try:
        learning = Learning(**how, model={str(key): value for key, value in given.items()} | fixed)
        if name == "response" and (window := learning.sized(1, 1, 1).window) < 2:
            raise ValueError(f"window is {window}, but must be at least 2")
    except ValueError as error:
        raise ValueError(f"learn.{name}: {error}") from error
    return learning
