"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping, Sequence

from omegaconf import DictConfig
from rich.table import Table

from experiments.tables import cell, markdown_table, short, simple_table
from experiments.user_representation.paper import PAPER, TASKS, metric_title, ours, representation_title
from experiments.user_representation.since_registration import DAYS
from experiments.user_representation.sources import People, Sources
from experiments.user_representation.tasks import Results
from urep_jax.data.user_features.space import FeatureSpace
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.paired import paired_difference

_KINDS = (("completed", "completed"), ("not completed", "not_completed"))


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal: a table for each task."""
    caption = "± is half a 95 % interval, by users"
    title = f"user representations on {cfg.data.name}"
    rows = [["", "accuracy", "AUC"]]
    for task in (task for task, (metric, _) in TASKS.items() if metric == "auc"):
        for name in _representations(metrics, task):
            key = f"{task}/{name}"
            told = f"{task.replace('_', ' ')}: {representation_title(name)}"
            rows.append([told, cell(metrics, f"{key}/accuracy"), cell(metrics, f"{key}/auc")])
    tables = [simple_table(rows, title, caption)]
    near = _cluster_rows(metrics)
    if len(near) > 1:
        tables.append(simple_table(near, "clusters of similar users: nDCG", caption))
    return tables


def page(
    cfg: DictConfig,
    sources: Sources,
    people: People,
    space: FeatureSpace,
    metrics: Mapping[str, float],
    results: Results,
    of_strata: Mapping[str, Mapping[str, ByUser]],
    rejects: str,
) -> str:
    """`report.md`: what was done, on what, and what came out; `rejects` says what was left out of the data."""
    log = sources.log
    simulated = "simulated " if log.affinity is not None else ""
    dropped = f"\n{rejects}.\n" if rejects else ""
    days, hours = cfg.evaluation.days, cfg.evaluation.hours
    return f"""# User representations on {simulated}{log.name}

{log.num_events:,} events of {log.num_sequences:,} users with {log.num_items:,} items. {len(people.established):,}
established users are asked about {days} days before the log ends, {len(people.new):,} new ones when they answered the
onboarding, or registered. x_u has {space.width} features, z_u {cfg.model.width} numbers.
{dropped}
## Future listening: the next {days} days

{_task_table(metrics, results, "future_listening", ("accuracy", "auc"))}
{_missing(results)}
![future listening](figures/future_listening.png)

By country, plan and the days since they were there first:

{_strata(metrics, of_strata)}

## New users: the first {hours} hours

{_cold(metrics, results)}

### Days later

{_since(metrics)}

## Whom users begin to follow in the next {days} days

{_follows(metrics, results)}

## Clusters of similar users

{_clusters(metrics, results)}

± is half a 95 % interval, by users. "z_u over it" is the mean difference on the same users, and in brackets the same as
a share of what the other has, beside what the paper tells. Accuracy and AUC: of one small classifier on (user vector,
track vectors and plays), as many random negatives as tracks listened to; of popularity, of the score itself, with the
threshold from users who train.

## What is lost on the way

{_lost(metrics)}

Share of the variance of each group of features that doesn't come back, on users who validate.

![training](figures/training.png)

## Modality encoders

{_encoders(metrics)}

NDCG@500 of sets (playlists, artists or histories) whose last fifth was held back, by nearness to the mean of the rest.
"""


def _representations(metrics: Mapping[str, float], task: str) -> list[str]:
    ends = (f"/{metric}" for metric in ("auc", "ndcg@50"))
    found = [key for end in ends for key in metrics if key.startswith(f"{task}/") and key.endswith(end)]
    return [key.removeprefix(f"{task}/").rpartition("/")[0] for key in found]


def _task_table(metrics: Mapping[str, float], results: Results, task: str, wanted: Sequence[str]) -> str:
    header = ["", *(metric_title(metric) for metric in wanted), *(f"z_u over it, {metric_title(m)}" for m in wanted)]
    rows = [header]
    for name in (key.removeprefix(f"{task}/") for key in results if key.startswith(f"{task}/")):
        row = [representation_title(name), *(cell(metrics, f"{task}/{name}/{metric}") for metric in wanted)]
        gains = ("" if name == ours(task) else _gain(results, task, name, metric) for metric in wanted)
        rows.append([*row, *gains])
    return markdown_table(rows)


def _gain(results: Results, task: str, name: str, metric: str) -> str:
    """How far z_u is ahead, as a difference and as a share, and as the paper has it."""
    own, other = results[f"{task}/{ours(task)}"][metric], results[f"{task}/{name}"][metric]
    gain = paired_difference(own, other)
    told = f"{_signed(gain.mean)} ±{short(gain.ci95, 3)} ({100 * gain.mean / other.value:+.1f} %"
    paper = PAPER.get(task, {}).get(name, {}).get(metric)
    told += f"; paper {100 * paper:+.1f} %)" if paper is not None else ")"
    return told.replace("-", "−")


def _signed(value: float) -> str:
    return ("+" if value >= 0 else "") + short(value, 3)


def _cold(metrics: Mapping[str, float], results: Results) -> str:
    told = []
    for task, words in (("cold_start/completed", "completed"), ("cold_start/not_completed", "not completed")):
        if any(name.startswith(f"{task}/") for name in results):
            table = _task_table(metrics, results, task, ("accuracy", "auc"))
            users = len(results[f"{task}/z_u"]["auc"].user)
            picture = f"![onboarding {words}](figures/{task.replace('/', '_')}.png)"
            told.append(f"Onboarding {words}, {users:,} tested users:\n\n{table}\n\n{picture}")
    return "\n\n".join(told) or "The data tells of no new users."


def _strata(metrics: Mapping[str, float], of_strata: Mapping[str, Mapping[str, ByUser]]) -> str:
    """z_u's AUC in each stratum, and how far it is ahead of the average there."""
    rows = [["", "users", "z_u, AUC", "over average embeddings"]]
    for name, own in of_strata.items():
        gain = paired_difference(own["z_u"], own["average"]) if "average" in own else None
        told = "–" if gain is None else f"{_signed(gain.mean)} ±{short(gain.ci95, 3)}"
        users = f"{len(own['z_u'].user):,}"
        rows.append([name.replace("/", ": "), users, cell(metrics, f"strata/{name}/z_u/auc"), told])
    return markdown_table(rows)


def _since(metrics: Mapping[str, float]) -> str:
    """AUC of the next days by the days since the registration."""
    rows = [["days since the registration", *(f"{r}, {kind}" for kind, _ in _KINDS for r in ("z_u", "average"))]]
    for days in DAYS:
        keys = [f"since_registration/{days}/{kind}/{r}/auc" for _, kind in _KINDS for r in ("z_u", "average")]
        if any(key in metrics for key in keys):
            rows.append([str(days), *(cell(metrics, key) for key in keys)])
    if len(rows) == 1:
        return "Too few new users are there to be asked about later."
    return f"AUC of listening in the days that follow.\n\n{markdown_table(rows)}"


def _missing(results: Results) -> str:
    if "future_listening/lightfm" in results:
        return ""
    return "\nLightFM isn't installed: `pip install -e '.[baselines]'` puts it beside these.\n"


def _follows(metrics: Mapping[str, float], results: Results) -> str:
    if "artist_preference/with" not in results:
        return "The data doesn't tell since when users follow artists."
    table = _task_table(metrics, results, "artist_preference", ("auc",))
    users = len(results["artist_preference/with"]["auc"].user)
    return (
        f"{users:,} tested users; one classifier on z_u, or on static, activity and listening history based features "
        f"instead.\n\n{table}\n\n![artist preference](figures/artist_preference.png)"
    )


def _clusters(metrics: Mapping[str, float], results: Results) -> str:
    told = []
    for task, (metric, title) in TASKS.items():
        if task.startswith("clusters/") and any(name.startswith(f"{task}/") for name in results):
            picture = f"![{title}](figures/{task.replace('/', '_')}.png)"
            told.append(
                f"{title.split(', ')[1].capitalize()}:\n\n{_task_table(metrics, results, task, (metric,))}\n\n{picture}"
            )
    return "\n\n".join(told) or "The data tells of no artists, and of no onboarding."


def _cluster_rows(metrics: Mapping[str, float]) -> list[list[str]]:
    rows = [["", "favourite artists", "artist country", "onboarding"]]
    kinds = ("favourite_artists", "artist_country", "onboarding")
    names = dict.fromkeys(name for kind in kinds for name in _representations(metrics, f"clusters/{kind}"))
    for name in names:
        cells = (cell(metrics, f"clusters/{kind}/{name}/ndcg@50") for kind in kinds)
        rows.append([representation_title(name), *cells])
    return rows


def _lost(metrics: Mapping[str, float]) -> str:
    groups = [key.removeprefix("unexplained/z_u/") for key in metrics if key.startswith("unexplained/z_u/")]
    of_groups = ([group, *(_percent(metrics, f"unexplained/{r}/{group}") for r in ("z_u", "pca"))] for group in groups)
    return markdown_table([["", "z_u", "PCA"], *of_groups])


def _percent(metrics: Mapping[str, float], name: str) -> str:
    return f"{100 * metrics[name]:.1f} %" if name in metrics else "–"


def _encoders(metrics: Mapping[str, float]) -> str:
    names = [key.split("/")[1] for key in metrics if key.startswith("continuation/") and key.endswith("/ndcg@500")]
    return markdown_table(
        [["", "NDCG@500"], *([name, cell(metrics, f"continuation/{name}/ndcg@500")] for name in names)]
    )
