"""Every knob of what is learnt from real logs, checked before they are read."""

import dataclasses

from omegaconf import DictConfig

from experiments.data import made, refuse_split
from experiments.satisfaction_from_logs.settings import Learning, learning
from urep_jax.simulation.satisfaction.candidates import Offer
from urep_jax.simulation.satisfaction.params import SatisfactionParams


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs.

    Attributes:
        seed: of all that is drawn.
        later: share of the listeners who are tested apart, those who came last.
        tested: share of the others who are tested.
        telling: share of the others from whom is known what items are like, and nothing else is learnt.
        least_events: of a listener; of who has fewer nothing is learnt or asked.
        most_events: of a listener, after which the log is cut.
        width: numbers of an item's vector, from who was up for it.
        offer: where candidates come from in the learned worlds.
        params: what a service rewards there, and for how many weeks; of how satisfaction moves nothing is read.
        response: how the response model is learnt.
        forecast: how forecasts are.
        followed: new listeners with whom policies are compared in the learned worlds.

    Raises:
        ValueError: if a value is out of range.
    """

    seed: int
    later: float
    tested: float
    telling: float
    least_events: int
    most_events: int
    width: int
    offer: Offer
    params: SatisfactionParams
    response: Learning
    forecast: Learning
    followed: int

    def __post_init__(self) -> None:
        for name in ("later", "tested", "telling"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"logs.{name} is {getattr(self, name)}, but must lie between 0 and 1")
        if self.tested + self.telling >= 1:
            raise ValueError(
                f"logs.tested and logs.telling are {self.tested} and {self.telling}, but must be below 1 together, so "
                "that somebody is left to learn from; lower one of them"
            )
        if not 1 <= self.least_events <= self.most_events:
            raise ValueError(
                f"logs.least_events is {self.least_events}, but must lie between 1 and logs.most_events, "
                f"{self.most_events}"
            )
        for name, value in (("logs.width", self.width), ("learned.listeners", self.followed)):
            if value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1")

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Settings":
        """The knobs of a config.

        Raises:
            ValueError: naming the knob that is wrong.
        """
        refuse_split(cfg, "what was learnt is judged on other listeners")
        return cls(
            seed=cfg.seed,
            later=cfg.logs.later,
            tested=cfg.logs.tested,
            telling=cfg.logs.telling,
            least_events=cfg.logs.least_events,
            most_events=cfg.logs.most_events,
            width=cfg.logs.width,
            offer=made(cfg.candidates),
            params=made(cfg.reward),
            response=learning(cfg, "response"),
            forecast=learning(cfg, "forecast"),
            followed=cfg.learned.listeners,
        )
