"""The A/B test of the artist-preference model on simulated services: follows, what tests see of them, and the cost."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.figures import compared
from experiments.report.claims.claim import AND_BY_USERS, Claim, Numbers, Seen
from experiments.report.claims.representations import ahead, with_all_features
from experiments.report.intervals import Estimate, estimate, told_gain, values_of
from experiments.report.runs import Repeat, Run
from experiments.tables import FUTURE, markdown_table
from experiments.user_representation.ab_test import COSTS, MODELS, TESTED, TESTS
from experiments.user_representation.paper import TASKS, representation_title

_ARMS = (*MODELS, "popularity", "random", "oracle")
_ONCE = {"difference": "z_u over curated features", "detectable": "detectable", "power": "power"}
_SECONDS = {"seconds": "seconds for 1,000 users, on one machine"}


def _measure(runs: Sequence[Run]) -> Numbers | None:
    """What each arm has, and z_u over it; what tests of arms see of that, and what serving costs."""
    asked = f"ab_test/z_u/{TASKS['ab_test'][0]}"
    repeats = {repeat: run for repeat, run in with_all_features(runs).items() if asked in run.metrics}
    if not repeats:
        return None
    key = {arm: f"ab_test/{arm}/{TASKS['ab_test'][0]}" for arm in _ARMS}
    return {
        "arms": {
            arm: {
                "value": _mean(repeats, key[arm]),
                "z_u over it": ahead(repeats, repeats, asked, key[arm]) if arm != "z_u" else None,
            }
            for arm in _ARMS
        },
        "once": {what: _each(repeats, f"ab_test/randomised/{what}") for what in _ONCE},
        "once_ci95": _each(repeats, "ab_test/randomised/difference_ci95"),
        "told_apart": {name: _each(repeats, f"ab_test/told_apart/{name}") for name in TESTED},
        "cost": {
            arm: {unit: _mean(repeats, f"ab_test/cost/{arm}/{unit}") for unit in (*COSTS, *_SECONDS)} for arm in MODELS
        },
    }


def _mean(repeats: Mapping[Repeat, Run], metric: str) -> list[float | None]:
    return estimate(list(values_of(repeats, metric).values())).plain()


def _each(repeats: Mapping[Repeat, Run], metric: str) -> list[float]:
    """Every repetition's, in order; one whose arms follow nothing has no power."""
    return [value for _, value in sorted(values_of(repeats, metric).items(), key=lambda one: str(one[0]))]


def _tell(seen: Seen) -> str:
    arms = [["arm", "data", "expected follows", "z_u over it", "by users"]]
    once = [["users in two arms, follows drawn", "data", *map(str, range(1, 1 + _most(seen)))]]
    again = [["arms", "data", "told apart", "least", "most"]]
    costs = [["serving", "data", *map(representation_title, MODELS), "z_u to curated"]]
    for data, found in seen.items():
        for arm, own in found["arms"].items():
            gains = told_gain(own["z_u over it"], 3) if own["z_u over it"] else ["", ""]
            arms.append([representation_title(arm), data, Estimate.of(own["value"]).told(3), *gains])
        for what, title in _ONCE.items():
            halves = found["once_ci95"] if what == "difference" else [float("nan")] * len(found["once"][what])
            cells = zip(found["once"][what], halves, strict=True)
            once.append([title, data, *(Estimate(*one, 1).told(3, sign=what == "difference") for one in cells)])
        for name, shares in found["told_apart"].items():
            told = [Estimate(of, float("nan"), 1).told(3) for of in (min(shares), max(shares))]
            titles = " and ".join(map(representation_title, TESTED[name]))
            again.append([titles, data, estimate(shares).told(3), *told])
        for unit, title in (COSTS | _SECONDS).items():
            own, curated = (Estimate.of(found["cost"][arm][unit]) for arm in MODELS)
            digits = 2 if unit in _SECONDS else 0
            ratio = Estimate(own.mean / curated.mean, float("nan"), 1).told(3)
            costs.append([title, data, *(f"{of.mean:,.{digits}f}" for of in (own, curated)), ratio])
    once = [[*row, *[""] * (len(once[0]) - len(row))] for row in once]
    tables = [
        f"Of ten artists shown to each user, by the world itself.\n\n{markdown_table(arms)}\n\n{AND_BY_USERS}",
        f"One test as a service would run it, run by run; ± is Welch's.\n\n{markdown_table(once)}",
        f"Of {TESTS:,} tests in each run, users divided and follows drawn anew.\n\n{markdown_table(again)}",
        markdown_table(costs),
    ]
    return "\n\n".join(tables)


def _most(seen: Seen) -> int:
    """Runs of the data set that has most."""
    return max(len(found["once"]["difference"]) for found in seen.values())


def _draw(seen: Seen, path: Path) -> None:
    """What each arm has; services of one kind are simulated, so that there is one data set."""
    found = next(iter(seen.values()))
    values = {representation_title(arm): Estimate.of(own["value"])[:2] for arm, own in found["arms"].items()}
    compared(values, TASKS["ab_test"][1], path)


AB_TEST = Claim(
    "ab_test",
    "§5.2.2: an A/B test of the artist-preference model",
    "online, z_u in place of curated features performs alike, and is far cheaper to store, to compute and to serve; no "
    "numbers.",
    _measure,
    _tell,
    _draw,
    runs_with=FUTURE,
)
"""The paper's test was of real users; this one's are simulated."""
