"""Figures of what is learnt from logs of satisfaction."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from experiments import figures
from experiments.figures import INK, KINDS, QUIET, STYLE
from experiments.folder import RunFolder
from experiments.satisfaction_from_logs import satisfaction
from experiments.satisfaction_from_logs.forecasts import HIDDEN, SEEN
from experiments.satisfaction_from_logs.heads import Heads, all_of
from experiments.satisfaction_from_logs.learned import AGENTS, FIRST, SECOND, TRUTH, Found, values
from experiments.satisfaction_from_logs.logged import TESTS
from experiments.satisfaction_from_logs.rows import FORECASTS, HEADS, HORIZON_TITLES, under
from experiments.satisfaction_from_logs.satisfaction import Told
from urep_jax.data.forecast_questions import HORIZONS


def draw(
    folder: RunFolder,
    told: Sequence[Mapping[str, Told]],
    right: Sequence[Mapping[str, Heads]],
    found: Sequence[Found],
    metrics: Mapping[str, float],
) -> None:
    """Reliability of chances, forecasts by horizon, and policies in the learned and the true world.

    Args:
        folder: of the run.
        told: of satisfaction, by world.
        right: how right responses are, by world.
        found: of policies, by world.
        metrics: the run's.
    """
    _reliability(folder, told)
    draw_responses(folder, right)
    draw_forecasts(folder, metrics, TESTS)
    _policies(folder, found)


def _reliability(folder: RunFolder, told: Sequence[Mapping[str, Told]]) -> None:
    panels = {
        satisfaction.SURVEY: ("said by the survey's model", "satisfaction (hidden)"),
        satisfaction.RETURNS: ("said chance to be back in 2 days", "share that was back"),
    }
    rows = []
    with plt.rc_context(STYLE):
        figure, places = plt.subplots(1, 2, figsize=(7, 3.5), layout="constrained")
        for axes, (name, (said, was)) in zip(places, panels.items(), strict=True):
            axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls="--", zorder=0)
            for test, color in zip(TESTS, KINDS, strict=False):
                state = satisfaction.merged(told, test, name)
                said_G, was_G = state.curve()
                axes.plot(said_G, was_G, color=color, marker="o", ms=3, lw=1.2, label=test)
                rows += [[name, test, *row] for row in zip(said_G, was_G, state.count, strict=True)]
            axes.set(xlabel=said, ylabel=was, xlim=(0, 1), ylim=(0, 1), aspect="equal")
        places[0].legend(loc="upper left")
        figures.save(figure, folder.figures / "reliability.png")
    folder.write_table("reliability.csv", ["model", "log", "said", "was", "count"], rows)


def draw_responses(folder: RunFolder, right: Sequence[Mapping[str, Heads]]) -> None:
    """The reliability of what the response model says, of all that happens now and then."""
    tests = list(right[0])
    states = {
        (head, test): all_of([world[test][head] for world in right]) for head in right[0][tests[0]] for test in tests
    }
    heads = [head for head in HEADS if any(states[head, test].happened.sum() > 0 for test in tests)]
    rows = []
    with plt.rc_context(STYLE):
        columns = min(4, len(heads))
        size = -(-len(heads) // columns), columns
        figure, places = plt.subplots(
            *size, figsize=(2.3 * columns, 2.5 * size[0]), layout="constrained", squeeze=False
        )
        for axes in places.flat[len(heads) :]:
            axes.set_axis_off()
        for axes, head in zip(places.flat, heads, strict=False):
            most = 0.0
            for test, color in zip(tests, KINDS, strict=False):
                said_G, was_G = states[head, test].curve()
                axes.plot(said_G, was_G, color=color, marker="o", ms=3, lw=1.2, label=test)
                rows += [[head, test, *row] for row in zip(said_G, was_G, states[head, test].count, strict=True)]
                most = max(most, np.nanmax(said_G), np.nanmax(was_G))
            axes.plot([0, most], [0, most], color=QUIET, lw=1, ls="--", zorder=0)
            axes.set(title=HEADS[head], xlim=(0, 1.05 * most), ylim=(0, 1.05 * most), aspect="equal")
        figure.supxlabel("said chance")
        figure.supylabel("share that happened")
        places[0, 0].legend(loc="upper left")
        figures.save(figure, folder.figures / "responses.png")
    folder.write_table("responses.csv", ["what", "log", "said", "was", "count"], rows)


def draw_forecasts(folder: RunFolder, metrics: Mapping[str, float], tests: Sequence[str]) -> None:
    """AUC of each score by the horizon, a panel for each test."""
    rows = []
    first = f"{under('forecast', tests[0])}/{HORIZONS[0].name}"
    names = [name for name in (*SEEN, *HIDDEN) if f"{first}/{name}" in metrics]
    with plt.rc_context(STYLE):
        figure, places = plt.subplots(1, len(tests), figsize=(8, 3.5), layout="constrained", sharey=True, squeeze=False)
        x_H = np.arange(len(HORIZONS))
        for axes, test in zip(places[0], tests, strict=True):
            axes.axhline(0.5, color=QUIET, lw=1, ls="--", zorder=0)
            for n, name in enumerate(names):
                stems = [f"{under('forecast', test)}/{horizon.name}/{name}" for horizon in HORIZONS]
                auc_H, half_H = (np.array([metrics[stem + end] for stem in stems]) for end in ("", "_ci95"))
                # Side by side, so that no interval hides another.
                place_H = x_H + 0.04 * (n - (len(names) - 1) / 2)
                color, line = (INK, ":" if name == "taste" else "--") if name in HIDDEN else (KINDS[n], "-")
                look = {"color": color, "ls": line, "marker": "o", "ms": 3, "lw": 2.0 if name == "model" else 1.1}
                axes.errorbar(place_H, auc_H, np.nan_to_num(half_H), label=FORECASTS[name], **look)
                rows += [[test, name, h.name, a, b] for h, a, b in zip(HORIZONS, auc_H, half_H, strict=True)]
            axes.set_xticks(x_H, [HORIZON_TITLES[horizon.name] for horizon in HORIZONS])
            axes.set(title=test, xlabel="ahead")
        places[0, 0].set_ylabel("AUC, wanted against left")
        handles, labels = places[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper")
        figures.save(figure, folder.figures / "forecasts.png")
    folder.write_table("forecasts.csv", ["log", "score", "horizon", "auc", "half interval"], rows)


def _policies(folder: RunFolder, found: Sequence[Found]) -> None:
    """The mean of each policy over worlds: what it earns in the learned worlds, by what it earns in the true one."""
    names = list(found[0])
    true_A, first_A, second_A = (values(found, "reward", place).mean(0) for place in (TRUTH, FIRST, SECOND))
    satisfied_A = values(found, "satisfaction", TRUTH).mean(0)
    color_A = [KINDS[1] if name in AGENTS else KINDS[0] for name in names]
    with plt.rc_context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
        most = 1.05 * max(true_A.max(), first_A.max(), second_A.max())
        left.plot([0, most], [0, most], color=QUIET, lw=1, ls="--", zorder=0)
        left.scatter(true_A, second_A, s=16, facecolors="none", edgecolors=color_A, label="second learned world")
        left.scatter(true_A, first_A, s=16, color=color_A, label="first learned world")
        left.set(xlabel="reward in the true world", ylabel="reward in the learned world")
        left.legend(loc="upper left")
        right.scatter(satisfied_A, first_A, s=16, color=color_A)
        right.set(xlabel="satisfaction in the true world, weeks (hidden)")
        for axes, x_A in ((left, true_A), (right, satisfied_A)):
            for name, x, y in zip(names, x_A, first_A, strict=True):
                axes.annotate(name, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6, color=INK)
        figures.save(figure, folder.figures / "policies.png")
    header = ["policy", "satisfaction", "true", "first", "second"]
    folder.write_table("policies.csv", header, zip(names, satisfied_A, true_A, first_A, second_A, strict=True))
