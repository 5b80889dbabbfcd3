"""Every knob of long-term satisfaction, checked before any world is made."""

import dataclasses
from typing import Any

from omegaconf import DictConfig, OmegaConf

from experiments.data import made, refuse_split
from urep_jax.agents.dqn import DqnConfig
from urep_jax.agents.ppo import PpoConfig
from urep_jax.models.candidate_scorer import CandidateScorerConfig
from urep_jax.simulation.satisfaction.candidates import Offer
from urep_jax.simulation.satisfaction.making import ItemParams
from urep_jax.simulation.satisfaction.params import SatisfactionParams
from urep_jax.simulation.streaming.params import StreamingParams

AGENTS = ("random", "popular", "myopic", "rotate", "dqn", "ppo", "oracle")
"""What is compared, by the name that the config gives it; each that learns stands on `myopic`."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs.

    Attributes:
        seeds: the worlds, each with agents of its own.
        streaming: what can be played, and who listens.
        items: what nourishes of it.
        offer: where candidates come from.
        params: how satisfaction moves.
        agents: what is compared.
        myopic: how the myopic agent learns.
        dqn: how Q-learning does.
        ppo: how policy optimisation does.
        oracle: how policy optimisation with the hidden state does.
        base_weight: what the myopic agent's expectation weighs in the scores that policy optimisation begins with.
        listeners: of each world, with whom agents are judged: so many who were there when agents trained, and as many
            who weren't.
        new_items: share of a changed catalogue that agents haven't trained with.

    Raises:
        ValueError: if a value is out of range.
    """

    seeds: tuple[int, ...]
    streaming: StreamingParams
    items: ItemParams
    offer: Offer
    params: SatisfactionParams
    agents: tuple[str, ...]
    myopic: DqnConfig
    dqn: DqnConfig
    ppo: PpoConfig
    oracle: PpoConfig
    base_weight: float
    listeners: int
    new_items: float

    def __post_init__(self) -> None:
        for name in self.agents:
            if name not in AGENTS:
                raise ValueError(f"agents names {name!r}, but there are: {', '.join(AGENTS)}")
        most = self.streaming.num_users // 2
        if not 1 <= self.listeners <= most:
            raise ValueError(
                f"judge.listeners is {self.listeners}, but must lie between 1 and {most}, half of the users of a world "
                "(data.source.params.num_users): as many are kept from the agents' training"
            )
        if not 0 <= self.new_items <= 0.9:
            raise ValueError(f"judge.new_items is {self.new_items}, but must lie between 0 and 0.9; set it within")

    @property
    def known_listeners(self) -> int:
        """Listeners of each world with whom agents train: the first."""
        return self.streaming.num_users - self.listeners

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Settings":
        """The knobs of a config.

        Raises:
            ValueError: naming the knob that is wrong.
        """
        refuse_split(cfg, "agents are judged by what becomes of listeners")
        if cfg.data.name != "streaming":
            raise ValueError(
                f"data is {cfg.data.name}, but what listeners do with other items than those of a log has to be "
                "simulated; take data=streaming"
            )
        if cfg.worlds < 1:
            raise ValueError(f"worlds is {cfg.worlds}, but must be at least 1")
        network = CandidateScorerConfig(**cfg.network)
        params: SatisfactionParams = made(cfg.satisfaction)
        source = made(cfg.data.source)

        def learning(name: str) -> Any:
            given = OmegaConf.to_container(cfg.learn[name])
            assert isinstance(given, dict)
            return {"network": network, **{str(key): value for key, value in given.items()}}

        return cls(
            seeds=tuple(range(cfg.seed, cfg.seed + cfg.worlds)),
            streaming=source.params,
            items=made(cfg.catalogue),
            offer=made(cfg.candidates),
            params=params if cfg.long_term else params.without_the_long_term(),
            agents=tuple(cfg.agents),
            myopic=DqnConfig(**learning("myopic"), horizon_days=0.0, reward_unit=1.0),
            dqn=DqnConfig(**learning("dqn")),
            ppo=PpoConfig(**learning("ppo")),
            oracle=PpoConfig(**learning("oracle")),
            base_weight=cfg.base_weight,
            listeners=cfg.judge.listeners,
            new_items=cfg.judge.new_items,
        )
