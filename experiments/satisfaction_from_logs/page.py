"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping

from omegaconf import DictConfig
from rich.table import Table

from experiments.satisfaction_from_logs import rows, satisfaction
from experiments.satisfaction_from_logs.heads import BINS
from experiments.satisfaction_from_logs.logged import TESTS
from experiments.tables import cell, markdown_table, short, simple_table

SATISFACTION = {
    "survey": "survey's answers",
    "returns": "returns",
    "ups_less_skips": "ups less skips",
    "minutes_of_a_week": "minutes of a week",
    "constant": "a constant",
}
"""What a person is told of each score."""


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal: satisfaction, and forecasts on new listeners."""
    caption = f"± is half a 95 % interval, by listeners of {_worlds(cfg)}"
    return [
        *(simple_table(_ranks(metrics, test), f"satisfaction: {test}", caption) for test in TESTS),
        *(simple_table(rows.forecasts(metrics, test), f"what is wanted later, AUC: {test}", caption) for test in TESTS),
        simple_table(rows.policies(metrics), "policies in the true and the learned worlds", caption),
        simple_table(rows.agreements(metrics), "do worlds agree on policies?", rows.OF_AGREEMENTS),
    ]


def page(cfg: DictConfig, metrics: Mapping[str, float]) -> str:
    """`report.md`: what was done, and what came out."""
    ranks = "\n\n".join(f"### {test.capitalize()}\n\n{markdown_table(_ranks(metrics, test))}" for test in TESTS)
    forecasts = "\n\n".join(
        f"### {test.capitalize()}\n\n{markdown_table(rows.forecasts(metrics, test))}\n\n"
        f"{markdown_table(rows.ahead(metrics, test))}"
        for test in TESTS
    )
    off = {test: metrics[f"{rows.under('satisfaction', test)}/returns/ece_of_right_chances"] for test in TESTS}
    chance = ", ".join(f"{short(value, 3)} ({test})" for test, value in off.items())
    logs = cfg.logs

    def ahead_of(other: str) -> str:
        return cell(metrics, f"learned/ppo/satisfaction_over_{other}")

    return f"""# What logs tell of satisfaction, and of what will be wanted

{_worlds(cfg).capitalize()}, with {logs.listeners:,} listeners each to learn from, logged for {cfg.satisfaction.weeks:g}
weeks: {metrics["events"]:,.0f} events. Each listener is offered what one of {logs.policies} policies chooses, another
one each week. What was learnt is judged on {logs.tested:,} new listeners under these policies, and on as many others
under a new policy, which offers more of the same.

## How satisfied is a listener?

{ranks}

![how right the chances are](figures/reliability.png)

Each score says at the end of every session how satisfied the listener is. Satisfaction itself is hidden, and only
judges. *Between listeners* is the rank correlation of listeners' means, *within a listener* that over the ends of one
listener's sessions; ± is half a 95 % interval by listeners.

The *survey* asked at {cfg.survey:.1%} of the ends of sessions whether they are satisfied: {metrics["answers"]:,.0f}
answers. Its model gives the chance of a yes, which is compared with satisfaction. The model of *returns* gives the
chance that another session begins within two days, which is compared with what happened. *Error* is the expected
calibration error in {BINS} bins. Of so many returns even right chances would seem to be off by
{chance}. The constant says of everybody what the survey said in the mean.

## What will be wanted?

{forecasts}

![forecasts by horizon](figures/forecasts.png)

At every eighth event it is asked what will be wanted of what is offered ten minutes later (5 to 20), a day later (in
the nearest session of 12 to 36 hours later) and a week later (likewise, 6 to 8 days). AUC is the share of pairs of an
item that was heard to its end or thumbed up, and one that was skipped or downed, that a score orders rightly; pairs are
of one moment and pooled by listener. The lead of the model is a mean over listeners, with half its 95 % interval.

The model reads the history until the moment, the hour of the later time, and items; *of a stranger*, it is given
somebody else's history, a control. *Popularity* is the share of an item's offers in which the other half of the
listeners wanted it; the model reads it too. *Last session* is how near an item is to what was wanted in the last
session, less what wasn't. The new policy offers what is near to the listener's vector and to what was heard of late, so
that these tell less of what it offers apart.

The last two rows no service knows. The *true utility* is what an item is worth when it is offered, mood and all that
was heard until then included: the most that can be reached. *Lasting taste* is the part of it that never changes.

## Can what was learnt stand in for listeners?

{markdown_table(rows.heads(metrics, TESTS))}

The response model says before each item what is done with it, and given that, whether the session ends and when the
listener is back. Told is the expected calibration error in {BINS} bins, that of right chances beside it,
how often it happened, and what share of the variance of that the chances tell apart.

![how right responses are](figures/responses.png)

{markdown_table(rows.policies(metrics))}

![policies in the true and the learned worlds](figures/policies.png)

Two such models, learnt from {logs.listeners:,} listeners each, none of them the other's, stand in for listeners as two
learned worlds. The same {cfg.learned.listeners:,} new listeners are offered what each policy chooses for
{cfg.satisfaction.weeks:g} weeks, in the true world and in both learned ones. *Reward* is what a service sees: minutes,
ups less downs, and returns; satisfaction, in weeks, is hidden, and judges. No policy was logged. *Nourishing* and
*empty* go along what of content says so. *Myopic* and *ppo* were trained in the first learned world, with listeners
whose logs it was learnt from.

{markdown_table(rows.agreements(metrics))}

Spearman's rank correlation of {len(rows.names(metrics))} policies' means, with its 95 % interval, by policies: of
reward, of ups less downs and of sessions in each two worlds, and of reward and hidden satisfaction.

Trained in the first learned world and judged in the true one, ppo keeps listeners satisfied for {ahead_of("random")}
weeks more than a random choice, and for {ahead_of("myopic")} more than the myopic agent.
"""


def _worlds(cfg: DictConfig) -> str:
    return "one simulated world" if cfg.worlds == 1 else f"{cfg.worlds} simulated worlds"


def _ranks(metrics: Mapping[str, float], test: str) -> list[list[str]]:
    stem = rows.under("satisfaction", test)

    def error(name: str) -> str:
        key = f"{stem}/{name}/ece"
        return short(metrics[key], 3) if key in metrics else "–"

    def rank(name: str, where: str) -> str:
        return "–" if name == satisfaction.CONSTANT else cell(metrics, f"{stem}/{name}/{where}")

    return [
        ["", "between listeners", "within a listener", "error"],
        *(
            [SATISFACTION[name], rank(name, "between"), rank(name, "within"), error(name)]
            for name in satisfaction.SCORES
        ),
    ]
