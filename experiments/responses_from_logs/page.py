"""`report.md` of a run, and what of it is told in the terminal."""

from collections.abc import Mapping

from omegaconf import DictConfig
from rich.table import Table

from experiments.responses_from_logs.real_logs import TESTS
from experiments.satisfaction_from_logs import rows
from experiments.satisfaction_from_logs.heads import BINS
from experiments.tables import markdown_table, simple_table


def terminal_tables(cfg: DictConfig, metrics: Mapping[str, float]) -> list[Table]:
    """The results for a terminal."""
    caption = f"± is half a 95 % interval, by listeners of {cfg.data.name}"
    heads = f"calibration error in {BINS} bins, that of right chances in brackets; share of the variance told apart"
    return [
        simple_table(rows.heads(metrics, TESTS), "how right responses are", heads),
        *(simple_table(rows.forecasts(metrics, test), f"what is wanted later, AUC: {test}", caption) for test in TESTS),
        simple_table(rows.policies(metrics), "policies in both learned worlds", caption),
        simple_table(rows.agreements(metrics), "do worlds agree on policies?", rows.OF_AGREEMENTS),
    ]


def page(cfg: DictConfig, metrics: Mapping[str, float]) -> str:
    """`report.md`: what was done, and what came out."""
    logs = cfg.logs
    forecasts = "\n\n".join(
        f"### {test.capitalize()}\n\n{markdown_table(rows.forecasts(metrics, test))}\n\n"
        f"{markdown_table(rows.ahead(metrics, test))}"
        for test in TESTS
    )
    counts = " and ".join(f"{metrics[rows.under('asked', test)]:,.0f} {test}" for test in TESTS)
    return f"""# What logs of {cfg.data.name} tell of how people respond

{metrics["listeners"]:,.0f} listeners to learn from, in two halves; judged on {counts}: those of whom nothing was learnt
who came at the same time, and the {logs.later:.0%} who came last. Of each the first {logs.most_events:,} events are
read, {metrics["events"]:,.0f} in all. What items are like is told by their words, and by {logs.telling:.0%} of the
others, of whom nothing else is learnt: who was up for them.

## How right are responses?

{markdown_table(rows.heads(metrics, TESTS))}

![how right responses are](figures/responses.png)

The response model says before each item what is done with it, and given that, whether the session ends and when the
listener is back. Told is the expected calibration error in {BINS} bins, that of right chances beside it, how often it
happened, and what share of the variance of that the chances tell apart; the same chance for everything tells 0.

## What will be wanted?

{forecasts}

![forecasts by horizon](figures/forecasts.png)

At every eighth event it is asked what will be wanted of what is met ten minutes later (5 to 20), a day later (in the
nearest session of 12 to 36 hours later) and a week later (likewise, 6 to 8 days). AUC is the share of pairs of an item
that was heard to its end or thumbed up, and one that was skipped or downed, that a score orders rightly; pairs are of
one moment and pooled by listener. *Of a stranger*, the model is given somebody else's history, a control. *Popularity*
is the share of an item's events in which the other half of the listeners wanted it; the model reads it too. *Last
session* is how near an item is to what was wanted in the last session, less what wasn't; *listener's vector*, how near
to what people of that profile want.

## Do learned worlds agree?

{markdown_table(rows.policies(metrics))}

{markdown_table(rows.agreements(metrics))}

![policies in both learned worlds](figures/policies.png)

Two response models, learnt from one half of the listeners each, stand in for listeners as two learned worlds. The same
{cfg.learned.listeners:,} new listeners are offered what each policy chooses for {cfg.reward.weeks:g} weeks, in both,
or until they have met {cfg.reward.most_items:,} items: no log that is read goes further. *Reward* is what a service
sees: minutes, ups less downs, and returns. Told is Spearman's rank correlation of {len(rows.names(metrics))} policies'
means, with its 95 % interval, by policies: of reward, of ups less downs, and of sessions.

## What is missing

- Satisfaction. Nobody was asked, and nobody knows: what reward has to do with it, these logs don't tell.
- What was offered, and with which chance. A log of what people chose to rate or to hear says nothing of what they
  passed over, and how good other policies are can't be told from it without the learned worlds.
- A second policy. Whether the model is right of what another service would offer is not tested; those who came last are
  the nearest to it.
- What is heard again, where a log has each item once. So no policy offers an item twice, and no agent is trained.
- Shares heard, devices, lengths of items and the local hour, where a log has none of them: items count as heard to
  their end, and take the median time between two events of a session.
"""
