"""System C on real logs: learn how listeners respond, and find out how right that is where nobody knows the truth."""

from omegaconf import DictConfig
from rich.console import Console

from experiments.folder import RunFolder
from experiments.responses_from_logs.drawn import draw
from experiments.responses_from_logs.page import page
from experiments.responses_from_logs.real_logs import days_of, read
from experiments.responses_from_logs.settings import Settings
from experiments.satisfaction_from_logs import forecasts, heads, learned
from experiments.satisfaction_from_logs.learning import learn_both
from experiments.satisfaction_from_logs.logged import NEW_LISTENERS
from experiments.satisfaction_from_logs.rivals import real_rivals
from experiments.satisfaction_from_logs.rows import under
from experiments.user_representation.sources import load_sources


def run(cfg: DictConfig, folder: RunFolder, console: Console) -> dict[str, float]:
    """Read, learn, judge and report; returns what `metrics.json` holds."""
    settings = Settings.from_config(cfg)
    sources = load_sources(cfg, console)
    with console.status("reading logs"):
        logged = read(sources.log, sources.tables, sources.profiles, settings)
    listeners = {name: len(part.log.listener) for name, part in logged.parts.items()}
    taught = sum(listeners[name] for name in listeners if name not in logged.tests)
    console.print(
        f"{sources.log.name}: {taught:,} listeners to learn from, in two halves; "
        + ", ".join(f"{listeners[test]:,} {test}" for test in logged.tests)
    )
    here = folder.path / "models"
    both = learn_both(logged, settings.response, here, console)
    with console.status("judging responses"):
        right = heads.judge_heads(logged, both[0], days_of(sources.log))
    with console.status("asking what is wanted later"):
        asked = forecasts.ask(logged, float(settings.params.repeat_days), settings.forecast.batch_size)
    learnt = forecasts.learn_forecasts(logged, asked, settings.forecast, here / "forecasts", console)
    with console.status("judging forecasts"):
        wanted = forecasts.judge_forecasts(logged, asked, learnt)
    ready = learned.responses(both)
    policies = learned.drawn_policies(real_rivals(settings.seed, logged.service.items.content.shape[1]))
    found = learned.follow_all(logged, NEW_LISTENERS, ready, policies, settings.params, settings.followed, console)
    metrics = {
        "events": float(sum(part.log.is_there.sum() for part in logged.parts.values())),
        "listeners": float(taught),
        **{under("asked", test): float(listeners[test]) for test in logged.tests},
        **heads.metrics_of([right]),
        **forecasts.metrics_of([wanted]),
        **learned.metrics_of([found], settings.seed),
    }
    draw(folder, right, found, metrics)
    folder.write_report(page(cfg, metrics))
    folder.write_metrics(metrics)
    return metrics
