"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping

from omegaconf import DictConfig
from rich.table import Table

from experiments.tables import cell, markdown_table, simple_table
from experiments.user_representation.all_tasks import chosen
from experiments.user_representation.paper import TASKS, metric_title, representation_title
from experiments.user_representation.sections import Told
from experiments.user_representation.sources import People, Sources
from experiments.user_representation.tasks import Results
from urep_jax.data.user_features.space import FeatureSpace
from urep_jax.evaluation.by_user import ByUser


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
    tables = [simple_table(rows, title, caption)] if len(rows) > 1 else []
    rows = [["", *(metric_title(TASKS[task][0]) for task in ("candidates", "ranker"))]]
    for name in dict.fromkeys(name for task in ("candidates", "ranker") for name in _representations(metrics, task)):
        cells = (cell(metrics, f"{task}/{name}/{TASKS[task][0]}") for task in ("candidates", "ranker"))
        rows.append([representation_title(name), *cells])
    if len(rows) > 1:
        tables.append(simple_table(rows, "candidates, and their order", caption))
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
    days, now = cfg.evaluation.days, cfg.evaluation.now
    asked = f"{days} days before the log ends" if now is None else f"on {now}"
    told = Told(cfg, metrics, results, of_strata)
    sections = "\n\n".join(task.section(told) for task in chosen(cfg.evaluation).values())
    return f"""# User representations on {simulated}{log.name}

{log.num_events:,} events of {log.num_sequences:,} users with {log.num_items:,} items. {len(people.established):,}
established users are asked about {asked}, {len(people.new):,} new ones when they answered the
onboarding, or registered. x_u has {space.width} features, z_u {cfg.model.width} numbers.
{dropped}
{sections}

± is half a 95 % interval, by users. "z_u over it" is the mean difference on the same users, and in brackets the same as
a share of what the other has, beside what the paper tells. Accuracy and AUC: of one small classifier on (user vector,
track vectors and plays), as many random negatives as tracks listened to; of popularity, of how often tracks were played
until then, weighted, and with a threshold, by users who validate.

## What is lost on the way

{_lost(metrics)}

Share of the variance of each group of features that doesn't come back, on users who validate.

![training](figures/training.png)

## Modality encoders

{_encoders(metrics)}

NDCG@500 of sets (playlists, artists or histories) whose last fifth was held back, by nearness to the mean of the rest.
"""


def _representations(metrics: Mapping[str, float], task: str) -> list[str]:
    end = f"/{TASKS[task][0]}"
    found = [key for key in metrics if key.startswith(f"{task}/") and key.endswith(end)]
    return [key.removeprefix(f"{task}/").removesuffix(end) for key in found]


def _cluster_rows(metrics: Mapping[str, float]) -> list[list[str]]:
    kinds = [task.removeprefix("clusters/") for task in TASKS if task.startswith("clusters/")]
    kinds = [kind for kind in kinds if _representations(metrics, f"clusters/{kind}")]
    rows = [["", *(kind.replace("_", " ") for kind in kinds)]]
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
