"""System C: log a simulated world as a service would, and find out what can be learnt from the logs."""

from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder
from experiments.satisfaction_from_logs import forecasts, heads, learned, satisfaction
from experiments.satisfaction_from_logs.drawn import draw
from experiments.satisfaction_from_logs.learning import learn_both
from experiments.satisfaction_from_logs.logged import write
from experiments.satisfaction_from_logs.page import page
from experiments.satisfaction_from_logs.settings import Settings
from urep_jax.simulation.satisfaction.mechanisms import DAYS_PER_WEEK


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Log, learn, judge and report; returns what `metrics.json` holds."""
    settings = Settings.from_config(cfg)
    told, right, wanted, found, answers, events = [], [], [], [], 0, 0
    days = DAYS_PER_WEEK * float(settings.params.weeks)
    for seed in settings.seeds:
        here = folder.path / "models" / f"world_{seed}"
        with console.status(f"logging world {seed}"):
            logged = write(seed, settings)
        of_world = sum(int(part.log.is_there.sum()) for part in (logged.train, logged.validation))
        console.print(f"world {seed}: {settings.listeners:,} listeners to learn from, {of_world:,} events")
        first, second = learn_both(logged, settings.response, here, console)
        with console.status("judging satisfaction"):
            right.append(heads.judge_heads(logged, first, days))
            of_satisfaction, answered = satisfaction.ask_of_satisfaction(logged, first, right[-1], settings)
        told.append(of_satisfaction)
        events += of_world
        answers += answered
        with console.status("asking what is wanted later"):
            asked = forecasts.ask(logged, float(settings.params.repeat_days), settings.forecast.batch_size)
        learnt = forecasts.learn_forecasts(logged, asked, settings.forecast, here / "forecasts", console)
        with console.status("judging forecasts"):
            wanted.append(forecasts.judge_forecasts(logged, asked, learnt))
        ready = learned.responses((first, second))
        found.append(learned.train_and_follow(logged, ready, settings, here, console))
    metrics = {
        "events": float(events),
        "answers": float(answers),
        **satisfaction.metrics_of(told),
        **heads.metrics_of(right),
        **forecasts.metrics_of(wanted),
        **learned.metrics_of(found, cfg.seed),
    }
    draw(folder, told, right, found, metrics)
    folder.write_report(page(cfg, metrics))
    folder.write_metrics(metrics)
    return metrics
