"""The tasks of the paper and their representations: what they are called, and what the paper tells of them."""

from collections.abc import Mapping

TASKS = {
    "future_listening": ("auc", "test AUC of listening in the next days"),
    "cold_start/completed": ("auc", "test AUC of new users' first hours, onboarding completed"),
    "cold_start/not_completed": ("auc", "test AUC of new users' first hours, onboarding not completed"),
    "artist_preference": ("auc", "test AUC of whom users begin to follow"),
    "ab_test": ("follows", "expected follows of ten artists shown"),
    "candidates": ("recall@100", "test recall@100 of listening in the next days"),
    "ranker": ("ndcg@10", "test nDCG@10 of the candidates that are ranked first"),
    "clusters/favourite_artists": ("ndcg@50", "nDCG@50, same favourite artists"),
    "clusters/artist_country": ("ndcg@50", "nDCG@50, same country of most listened artists"),
    "clusters/favourite_genres": ("ndcg@50", "nDCG@50, same favourite genres"),
    "clusters/onboarding": ("ndcg@50", "nDCG@50, same onboarding"),
}
"""The metric that representations are compared by in each task, and what a person is told of it."""

BESIDE = ("average", "pca", "nmf", "lightfm")
"""What z_u may be compared with."""

DAYS = (0, 1, 7, 30, 90, 180)
"""Since the registration, or the answers to the onboarding, at which new users are asked about (RQ2)."""

PAPER: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "future_listening": {
        "nmf": {"accuracy": 0.152, "auc": 0.186},
        "lightfm": {"accuracy": 0.262, "auc": 0.371},
        "average": {"accuracy": 0.018, "auc": 0.016},
    },
    "cold_start/completed": {
        "demographic_popularity": {"accuracy": 0.262, "auc": 0.270},
        "average": {"accuracy": 0.050, "auc": 0.051},
    },
    "cold_start/not_completed": {"demographic_popularity": {"accuracy": 0.246, "auc": 0.247}},
    "artist_preference": {"without": {"auc": 0.036}},
    "clusters/favourite_artists": {"average": {"ndcg@50": 0.029}},
    "clusters/artist_country": {"average": {"ndcg@50": 0.055}},
    "clusters/onboarding": {"average": {"ndcg@50": 0.262}},
}
"""By how much z_u is ahead in the paper's Tables 1 to 4, as a share of what the other has.

Table 2's popularity is that of "top popular tracks for the user's demographic" (§5.2.1)."""

PAPER_WITHOUT: Mapping[str, Mapping[str, float]] = {
    "onboarding": {"clusters/onboarding": -0.138},
    "modalities": {"future_listening": -0.042, "clusters/favourite_artists": -0.371},
    "static": {"clusters/artist_country": -0.121},
}
"""What z_u loses without a group of features (§5.2.4), by task, as a share of what it has."""

_TITLES = {
    "average": "average embeddings",
    "z_u": "z_u",
    "pca": "PCA",
    "nmf": "NMF",
    "lightfm": "LightFM",
    "with": "z_u",
    "without": "curated features",
    "curated": "curated features",
    "z_u_towers": "z_u, as found",
    "curated_towers": "curated features, as found",
}

_METRICS = {"auc": "AUC", "recall_new@100": "recall@100", "ndcg_new@100": "nDCG@100"}


def representation_title(name: str) -> str:
    """What a person is told of a representation."""
    return _TITLES.get(name, name.replace("_", " "))


def metric_title(metric: str) -> str:
    """What a person is told of a metric."""
    return _METRICS.get(metric, metric.replace("ndcg", "nDCG"))


def ours(task: str) -> str:
    """What z_u is called in a task."""
    return "with" if task == "artist_preference" else "z_u"
