"""Results as tables, for the terminal and for `report.md`."""

import re
from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

TITLES = {
    "pair_accuracy": "pair accuracy",
    "random_pair_accuracy": "random pairs",
    "ndcg@10": "NDCG@10",
    "recall@10": "recall@10",
    "mrr_up": "MRR up",
    "mrr_down": "MRR down",
    "recall_up@10": "recall@10 up",
    "recall_down@10": "recall@10 down",
    "pair_accuracy/head": "pairs, head",
    "pair_accuracy/middle": "pairs, middle",
    "pair_accuracy/tail": "pairs, tail",
    "mrr_up/head": "MRR up, head",
    "mrr_up/middle": "MRR up, middle",
    "mrr_up/tail": "MRR up, tail",
    "recommended_popularity": "popularity of top 10",
    "epochs_to_convergence": "epochs",
    "future_listening/z_u/auc": "AUC, next days",
    "cold_start/completed/z_u/auc": "AUC, new, completed",
    "cold_start/not_completed/z_u/auc": "AUC, new, not completed",
    "artist_preference/with/auc": "AUC, follows",
    "clusters/favourite_artists/z_u/ndcg@50": "nDCG, artists",
    "clusters/artist_country/z_u/ndcg@50": "nDCG, country",
    "clusters/favourite_genres/z_u/ndcg@50": "nDCG, genres",
    "clusters/onboarding/z_u/ndcg@50": "nDCG, onboarding",
    "total_satisfaction/random": "weeks, random",
    "total_satisfaction/myopic": "weeks, myopic",
    "total_satisfaction/rotate": "weeks, rotate",
    "total_satisfaction/dqn": "weeks, dqn",
    "total_satisfaction/ppo": "weeks, ppo",
    "total_satisfaction/oracle": "weeks, oracle",
    "over_myopic/ppo": "ppo over myopic",
    "learned/agreement/first_and_true/reward": "learned and true world",
    "learned/agreement/second_and_true/reward": "second and true",
    "learned/agreement/first_and_second/reward": "both learned worlds",
}
"""What a person is told of each metric, in the order of tables."""

_MODEL_TITLES = {"": "model", "like_rate": "like-rate", "item_knn": "item-kNN", "ease": "EASE"}
"""What a person is told of the models whose names alone say too little."""

FUTURE = "future_listening/z_u/auc"
"""By what user representations are compared."""

PPO = "total_satisfaction/ppo"
"""By what runs of long-term satisfaction are compared."""

AGREEMENT = "learned/agreement/first_and_second/reward"
"""By what runs of what logs tell are compared: rank correlation of policies in two learned worlds."""

COMPARED_BY = ("pair_accuracy", "ndcg@10", FUTURE, PPO, AGREEMENT)
"""The metrics of which every model of a run has one: the first that is there tells which models there are."""

MAIN = ("pair_accuracy", "random_pair_accuracy", "ndcg@10", "recall@10", "mrr_up", "mrr_down")
RECALL = ("recall_up@10", "recall_down@10")
REPRESENTATION = tuple(name for name in TITLES if name.startswith(("future_", "cold_", "artist_pref", "clusters/")))
LONG_TERM = tuple(name for name in TITLES if name.startswith(("total_satisfaction/", "over_myopic/")))
AGREEMENTS = tuple(name for name in TITLES if name.startswith("learned/agreement/"))
BY_POPULARITY = (
    *(f"{metric}/{bucket}" for metric in ("pair_accuracy", "mrr_up") for bucket in ("head", "middle", "tail")),
    "recommended_popularity",
)


def models_of(metrics: Mapping[str, float]) -> list[str]:
    """The prefixes of the models that a `metrics.json` tells of: the model's own is empty."""
    (compared_by,) = [name for name in COMPARED_BY if name in metrics]
    return ["", *(key.removesuffix(compared_by) for key in metrics if key.endswith(f"/{compared_by}"))]


def model_title(name: str) -> str:
    """What a person is told of a model or baseline by its name, that of the run's own being empty."""
    return _MODEL_TITLES.get(name, name.replace("_", " "))


def rows(metrics: Mapping[str, float], wanted: Sequence[str]) -> list[list[str]]:
    """One row for each model in `metrics.json`, one column for each wanted metric that is there, under a header."""
    there = [metric for metric in wanted if metric in metrics]
    return [
        ["", *(TITLES.get(metric, metric.replace("_", " ")) for metric in there)],
        *(
            [model_title(name.rstrip("/")), *(cell(metrics, name + metric) for metric in there)]
            for name in models_of(metrics)
        ),
    ]


def digits(metric: str) -> int:
    """Digits that a metric is told with: small ones are told with more."""
    if "epochs" in metric:
        return 1
    if metric in LONG_TERM or metric in AGREEMENTS:
        return 2
    return 4 if any(word in metric for word in ("mrr", "recall", "ndcg")) else 3


def cell(metrics: Mapping[str, float], name: str) -> str:
    """A metric and its interval."""
    if name not in metrics:
        return "–"
    told = short(metrics[name], digits(name))
    half = metrics.get(f"{name}_ci95")
    return told if half is None else f"{told} ±{short(half, digits(name))}"


def short(value: float, digits: int) -> str:
    """A share as tables of the field print it: `.701`, and `−.017` with a true minus."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}").replace("-", "−")


def simple_table(rows: Sequence[Sequence[str]], title: str, caption: str) -> Table:
    """Rows under a header for a terminal, the first column a name; headers take a line for each of their parts."""
    header, *body = rows
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left", box=box.SIMPLE_HEAD)
    table.pad_edge, table.padding = False, (0, 1, 0, 0)
    for i, name in enumerate(header):
        table.add_column(name.replace(", ", ",\n"), justify="left" if i == 0 else "right", no_wrap=True)
    for row in body:
        table.add_row(*row)
    return table


def terminal_table(metrics: Mapping[str, float], title: str, wanted: Sequence[str] = MAIN) -> Table:
    """Some of the results for a terminal."""
    return simple_table(rows(metrics, wanted), title, "± is half a 95 % interval, by users")


def markdown_table(table: list[list[str]]) -> str:
    """A table in Markdown, its first column a name."""
    header, *body = table
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *body))
