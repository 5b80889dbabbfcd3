"""System C: make worlds, train agents in them, follow listeners with each, draw and report."""

from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder
from experiments.long_term_satisfaction.agents import make_agents
from experiments.long_term_satisfaction.drawn import draw
from experiments.long_term_satisfaction.judged import judge, metrics_of
from experiments.long_term_satisfaction.listeners import listeners_table
from experiments.long_term_satisfaction.page import page
from experiments.long_term_satisfaction.settings import Settings
from experiments.long_term_satisfaction.training import Gym
from experiments.long_term_satisfaction.worlds import make_worlds
from urep_jax.core.streams import stream


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Train, judge and report; returns what `metrics.json` holds."""
    settings = Settings.from_config(cfg)
    worlds = make_worlds(settings, console)
    num_items, num_candidates = worlds.training[0].items.style.shape[0], worlds.training[0].pools.shape[1]
    console.print(
        f"{cfg.worlds} world{'s' * (cfg.worlds != 1)} of {settings.streaming.num_users:,} listeners and {num_items:,} "
        f"items, of which {num_candidates:,} are candidates in a session; {cfg.satisfaction.weeks:g} weeks"
    )
    keys = [stream(seed, "agents") for seed in settings.seeds]
    gym = Gym(keys, worlds.training, folder.path, console)
    judged = judge(make_agents(settings, gym), worlds, settings, console)
    metrics = metrics_of(judged)
    draw(folder, judged["known"])
    folder.write_users(listeners_table(worlds, settings.seeds, judged))
    folder.write_report(page(cfg, metrics))
    folder.write_metrics(metrics)
    return metrics
