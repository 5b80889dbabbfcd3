"""What `report.md` tells of each task."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from omegaconf import DictConfig

from experiments.tables import cell, markdown_table, short
from experiments.user_representation.ab_test import COSTS, MODELS, TESTED, TESTS
from experiments.user_representation.cost import COMPARED
from experiments.user_representation.freshness import AGES, FRESH, HORIZONS, OWN
from experiments.user_representation.movement import BACK
from experiments.user_representation.paper import DAYS, PAPER, TASKS, metric_title, ours, representation_title
from experiments.user_representation.session_moments import AWAY_DAYS, GROUPS, STILL_DAYS
from experiments.user_representation.tasks import Results
from urep_jax.evaluation.by_user import ByUser
from urep_jax.evaluation.paired import paired_difference

_KINDS = (("completed", "completed"), ("not completed", "not_completed"))
_GROUPS = {
    "established": "established, within a session",
    "changed": "after a change of taste",
    "returned": f"back after {AWAY_DAYS} days or more",
    "new": "new, on the first day",
    "beginnings": "established, as a session begins",
    "still": f"nothing heard for {STILL_DAYS} days (control)",
}


class Told(NamedTuple):
    """What a section is made from.

    Attributes:
        cfg: the resolved config.
        metrics: what `metrics.json` holds.
        results: of each user.
        of_strata: future listening's, by stratum and representation.
    """

    cfg: DictConfig
    metrics: Mapping[str, float]
    results: Results
    of_strata: Mapping[str, Mapping[str, ByUser]]


def future_listening(told: Told) -> str:
    """Table 1, and by strata."""
    missing = ""
    if "lightfm" in told.cfg.evaluation.beside and "future_listening/lightfm" not in told.results:
        missing = "\nLightFM isn't installed: `pip install -e '.[baselines]'` puts it beside these.\n"
    return f"""## Future listening: the next {told.cfg.evaluation.days} days

{task_table(told, "future_listening", ("accuracy", "auc"))}
{missing}
![future listening](figures/future_listening.png)

By country, plan and the days since they were there first:

{_strata(told)}"""


def cold_start(told: Told) -> str:
    """Table 2."""
    found = []
    for kind, name in _KINDS:
        task = f"cold_start/{name}"
        if f"{task}/z_u" in told.results:
            table = task_table(told, task, ("accuracy", "auc"))
            users = len(told.results[f"{task}/z_u"]["auc"].user)
            picture = f"![onboarding {kind}](figures/{task.replace('/', '_')}.png)"
            found.append(f"Onboarding {kind}, {users:,} tested users:\n\n{table}\n\n{picture}")
    body = "\n\n".join(found) or "The data tells of no new users."
    return f"## New users: the first {told.cfg.evaluation.hours} hours\n\n{body}"


def since_registration(told: Told) -> str:
    """AUC of the next days by the days since the registration."""
    rows = [["days since the registration", *(f"{r}, {kind}" for kind, _ in _KINDS for r in ("z_u", "average"))]]
    for days in DAYS:
        keys = [f"since_registration/{days}/{kind}/{r}/auc" for _, kind in _KINDS for r in ("z_u", "average")]
        if any(key in told.metrics for key in keys):
            rows.append([str(days), *(cell(told.metrics, key) for key in keys)])
    body = "Too few new users are there to be asked about later."
    if len(rows) > 1:
        body = f"AUC of listening in the days that follow.\n\n{markdown_table(rows)}"
    return f"## New users, days later\n\n{body}"


def movement(told: Told) -> str:
    """How far vectors have moved, all users' and the quarters' whose listening moved least and most."""
    metrics = ("distance", "least_moved", "most_moved", "correlation")
    rows = [["", "users", "distance", "listening moved least", "listening moved most", "correlation"]]
    for days in (*BACK, "others"):
        for name in ("z_u", "average"):
            if (found := told.results.get(key := f"movement/{days}/{name}")) is None:
                continue
            since = "to another user" if days == "others" else f"in {days} days"
            users, cells = f"{len(found['distance'].user):,}", (cell(told.metrics, f"{key}/{m}") for m in metrics)
            rows.append([f"{representation_title(name)}, {since}", users, *cells])
    return f"""## How far vectors move

Cosine distance between what users are and were; of all of them, and of the quarters whose listening moved least and
most: by artists, four weeks beside the four weeks before the earlier moment. The correlation is Spearman's, of both
movements over users.

{markdown_table(rows)}"""


def freshness(told: Told) -> str:
    """AUC of what follows with fresh vectors, what is lost with old ones, and how far they are apart, by group."""
    late = [age for age in AGES if age != FRESH]
    tables = {}
    for horizon in HORIZONS:
        rows = [["", "users", f"{FRESH}, AUC", *late, *(f"{age}, own classifier" for age in late)]]
        for group in GROUPS:
            key = f"freshness/{group}/{horizon}"
            if (fresh := told.results.get(f"{key}/{FRESH}")) is None:
                continue
            over = [cell(told.metrics, f"{key}/{age}{by}/auc_over_fresh") for by in ("", f"/{OWN}") for age in late]
            rows.append(
                [_GROUPS[group], f"{len(fresh['auc'].user):,}", cell(told.metrics, f"{key}/{FRESH}/auc"), *over]
            )
        tables[horizon] = rows
    if min(map(len, tables.values())) == 1:
        return "## What it is worth that vectors are fresh\n\nToo few sessions are there to be asked about."
    rows = [["", *late]]
    for group in GROUPS:
        keys = [f"freshness/{group}/moved/{age}/distance" for age in late]
        rows.append([_GROUPS[group], *(cell(told.metrics, key) for key in keys)])
    return f"""## What it is worth that vectors are fresh

The rest of the session by a z_u of the moment, and how much more AUC is had by one that is older: less than 0 is lost.
Every age is asked the same pairs, of one classifier that learnt from fresh vectors; its "own classifier" learnt from
vectors of that age, and differs from it by the chance of a training, too.

{markdown_table(tables["session"])}

The next {told.cfg.evaluation.hours} hours:

{markdown_table(tables["hours"])}

![freshness](figures/freshness.png)

How far z_u of that age was from that of the moment, by the cosine:

{markdown_table(rows)}"""


def retraining(told: Told) -> str:
    """What moves when the autoencoder is trained again, and what it costs downstream if nothing follows."""
    rows = [["the classifier learnt from", "and is asked with", "AUC", "over the first"]]
    for name, learnt, asked in (
        ("kept", "z_u", "z_u"),
        ("broken", "z_u", "z_u, retrained"),
        ("followed", "z_u, retrained", "z_u, retrained"),
    ):
        key = f"retraining/{name}/auc"
        over = "" if name == "kept" else cell(told.metrics, f"{key}_over_kept")
        rows.append([learnt, asked, cell(told.metrics, key), over])
    spaces = [["", "users who test"]]
    for name, title in (
        ("distance", "cosine distance between both vectors of a user"),
        ("distance_aligned", "after the rotation that brings the spaces nearest"),
        ("neighbours", "of the 50 nearest users, the share that stays"),
    ):
        spaces.append([title, cell(told.metrics, f"retraining/spaces/{name}")])
    return f"""## The autoencoder trained again

The same features, another seed. Future listening, the next {told.cfg.evaluation.days} days:

{markdown_table(rows)}

How much the space has moved:

{markdown_table(spaces)}"""


def artist_preference(told: Told) -> str:
    """Table 3."""
    body = "The data doesn't tell since when users follow artists."
    if "artist_preference/with" in told.results:
        table = task_table(told, "artist_preference", ("auc",))
        users = len(told.results["artist_preference/with"]["auc"].user)
        body = (
            f"{users:,} tested users; one classifier on z_u, or on static, activity and listening history based "
            f"features instead.\n\n{table}\n\n![artist preference](figures/artist_preference.png)"
        )
    return f"## Whom users begin to follow in the next {told.cfg.evaluation.days} days\n\n{body}"


def ab_test(told: Told) -> str:
    """What of ten artists shown is followed, what a test of two arms sees of that, and what either arm costs."""
    if "ab_test/z_u" not in told.results:
        body = "What would have been followed is told by simulated services only, and of tens of users at least."
        return f"## An A/B test of artists shown\n\n{body}"
    metrics, users = told.metrics, len(told.results["ab_test/z_u"]["follows"].user)
    once = [["", "z_u", "curated features", "z_u over it", "detectable", "power"]]
    once.append(["the same users in both arms", *(cell(metrics, f"ab_test/{name}/follows") for name in MODELS)])
    once[1] += [cell(metrics, "ab_test/paired/difference"), cell(metrics, "ab_test/paired/detectable"), ""]
    drawn = (*MODELS, "difference", "detectable", "power")
    once.append(["users in two arms, follows drawn", *(cell(metrics, f"ab_test/randomised/{name}") for name in drawn)])
    again = [["arms", "told apart"]]
    for name, arms in TESTED.items():
        titles = " and ".join(map(representation_title, arms))
        again.append([titles, cell(metrics, f"ab_test/told_apart/{name}")])
    costs = [["", *map(representation_title, MODELS)]]
    for unit, title in COSTS.items():
        costs.append([title, *(f"{metrics[f'ab_test/cost/{name}/{unit}']:,.0f}" for name in MODELS)])
    seconds = (short(metrics[f"ab_test/cost/{name}/seconds"], 2) for name in MODELS)
    costs.append(["seconds for 1,000 users, on this machine", *seconds])
    return f"""## An A/B test of artists shown

{users:,} tested users are shown ten artists whom they neither follow nor have listened to, in the order of the
artist-preference model. Told is how many of the ten they are expected to follow, by the world itself; `oracle` is the
order by that.

{task_table(told, "ab_test", ("follows",))}

![artists shown](figures/ab_test.png)

{markdown_table(once)}

A detectable difference would be told from none in four of five tests; the power is that for the difference of
the first line. Of {TESTS:,} tests with users divided and follows drawn anew:

{markdown_table(again)}

Serving:

{markdown_table(costs)}

Operations are those of the matrix products in ordering all artists for a user whose vector is stored. Making z_u of x_u
takes {metrics["ab_test/cost/z_u/encoder_operations"]:,.0f} more, once for all models."""


def clusters(told: Told) -> str:
    """Table 4."""
    found = []
    for task, (metric, title) in TASKS.items():
        if task.startswith("clusters/") and any(name.startswith(f"{task}/") for name in told.results):
            picture = f"![{title}](figures/{task.replace('/', '_')}.png)"
            words = title.split(", ")[1].capitalize()
            found.append(f"{words}:\n\n{task_table(told, task, (metric,))}\n\n{picture}")
    body = "\n\n".join(found) or "The data tells of no artists, and of no onboarding."
    return f"## Clusters of similar users\n\n{body}"


def user_map(told: Told) -> str:
    """Fig. 7."""
    return """## A map of users

![users](figures/map.png)

t-SNE of z_u. Only who is near to whom means anything; `figures/map.csv` has the numbers."""


def candidates(told: Told) -> str:
    """Candidate generation."""
    users = len(told.results["candidates/z_u"]["recall@100"].user)
    index = told.metrics.get("candidates/z_u/index_recall@100")
    by_index = "" if index is None else f" Through {told.cfg.two_tower.index}, {100 * index:.1f} % are found again."
    return f"""## Candidates for the next {told.cfg.evaluation.days} days

{users:,} tested users; the hundred items nearest by two towers, trained for each kind of user vector on what others
listened to in the weeks before.{by_index}

{task_table(told, "candidates", ("recall@100", "ndcg@100"))}

Only items that the user hadn't listened to yet:

{task_table(told, "candidates", ("recall_new@100", "ndcg_new@100"))}

![candidates](figures/candidates.png)"""


def ranker(told: Told) -> str:
    """Item ranking."""
    users = len(told.results["ranker/z_u"]["ndcg@10"].user)
    return f"""## The order of candidates

{users:,} tested users; the first ten of the hundred candidates, beside all that they listen to. Towers and ranker have
z_u, or curated features instead; "as found" is the towers' own order.

{task_table(told, "ranker", ("ndcg@10",))}

![ranker](figures/ranker.png)"""


def cost(told: Told) -> str:
    """Fig. 8: what models cost with z_u and with curated features, and how the one compares with the other."""
    titles = {"artist_preference": "artist preference", "two_tower": "two towers", "ranker": "ranker"}
    units = {"features": "numbers of a user", "bytes": "bytes of a user", "steps": "steps", "flops": "operations"}
    rows = [["", "z_u", "curated features", "z_u to curated"]]
    for model, names in COMPARED.items():
        for unit, title in units.items():
            keys = [f"cost/{model}/{name}/{unit}" for name in names]
            if all(key in told.metrics for key in keys):
                own, curated = (told.metrics[key] for key in keys)
                rows.append([f"{titles[model]}: {title}", f"{own:,.0f}", f"{curated:,.0f}", short(own / curated, 3)])
    body = "No model was trained both with z_u and with curated features."
    if len(rows) > 1:
        body = f"""{markdown_table(rows)}

Bytes are those of float32. Steps are training's, up to the best epoch, and operations those of the matrix products in
them, forth and back. What z_u costs itself, once for all models, isn't among them."""
    return f"## What models cost\n\n{body}"


def task_table(told: Told, task: str, wanted: Sequence[str]) -> str:
    """A row for each representation: its metrics, and how far z_u is ahead of it in them."""
    rows = [["", *(metric_title(metric) for metric in wanted), *(f"z_u over it, {metric_title(m)}" for m in wanted)]]
    for name in (key.removeprefix(f"{task}/") for key in told.results if key.startswith(f"{task}/")):
        row = [representation_title(name), *(cell(told.metrics, f"{task}/{name}/{metric}") for metric in wanted)]
        gains = ("" if name == ours(task) else _gain(told.results, task, name, metric) for metric in wanted)
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


def _strata(told: Told) -> str:
    """z_u's AUC in each stratum, and how far it is ahead of the average there."""
    rows = [["", "users", "z_u, AUC", "over average embeddings"]]
    for name, own in told.of_strata.items():
        gain = paired_difference(own["z_u"], own["average"]) if "average" in own else None
        ahead = "–" if gain is None else f"{_signed(gain.mean)} ±{short(gain.ci95, 3)}"
        users = f"{len(own['z_u'].user):,}"
        rows.append([name.replace("/", ": "), users, cell(told.metrics, f"strata/{name}/z_u/auc"), ahead])
    return markdown_table(rows)
