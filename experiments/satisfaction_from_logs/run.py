"""System C: log a simulated world as a service would, and find out what can be learnt from the logs."""

from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder
from experiments.satisfaction_from_logs import forecasts, learned, satisfaction
from experiments.satisfaction_from_logs.drawn import draw
from experiments.satisfaction_from_logs.learning import learn_responses, windows_of
from experiments.satisfaction_from_logs.logged import OTHER_TRAIN, OTHER_VALIDATION, TRAIN, VALIDATION, write
from experiments.satisfaction_from_logs.page import page
from experiments.satisfaction_from_logs.settings import Settings


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Log, learn, judge and report; returns what `metrics.json` holds."""
    settings = Settings.from_config(cfg)
    told, wanted, found, answers, events = [], [], [], 0, 0
    for seed in settings.seeds:
        here = folder.path / "models" / f"world_{seed}"
        with console.status(f"logging world {seed}"):
            logged = write(seed, settings)
        of_world = sum(int(part.log.is_there.sum()) for part in (logged.train, logged.validation))
        console.print(f"world {seed}: {settings.listeners:,} listeners to learn from, {of_world:,} events")
        with console.status("reading logs"):
            windows = windows_of(logged, settings)
        first, second = (
            learn_responses(logged, windows[train], windows[validation], settings, here / title, title, console)
            for train, validation, title in (
                (TRAIN, VALIDATION, "responses"),
                (OTHER_TRAIN, OTHER_VALIDATION, "other_responses"),
            )
        )
        with console.status("judging satisfaction"):
            of_satisfaction, answered = satisfaction.ask_of_satisfaction(logged, windows, first, settings)
        told.append(of_satisfaction)
        events += of_world
        answers += answered
        with console.status("asking what is wanted later"):
            asked = forecasts.ask(logged, settings)
        learnt = forecasts.learn_forecasts(logged, asked, settings, here / "forecasts", console)
        with console.status("judging forecasts"):
            wanted.append(forecasts.judge_forecasts(logged, asked, learnt))
        ready = [
            learned.responses(one, windows[part], logged.items) for one, part in ((first, TRAIN), (second, OTHER_TRAIN))
        ]
        found.append(learned.train_and_follow(logged, ready, settings, here, console))
    metrics = {
        "events": float(events),
        "answers": float(answers),
        **satisfaction.metrics_of(told),
        **forecasts.metrics_of(wanted),
        **learned.metrics_of(found, cfg.seed),
    }
    draw(folder, told, found, metrics)
    folder.write_report(page(cfg, metrics))
    folder.write_metrics(metrics)
    return metrics
