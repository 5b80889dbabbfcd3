"""Figures of what is learnt from real logs."""

from collections.abc import Mapping

import matplotlib.pyplot as plt

from experiments import figures
from experiments.figures import INK, KINDS, QUIET, STYLE
from experiments.folder import RunFolder
from experiments.responses_from_logs.real_logs import TESTS
from experiments.satisfaction_from_logs.drawn import draw_forecasts, draw_responses
from experiments.satisfaction_from_logs.heads import Heads
from experiments.satisfaction_from_logs.learned import FIRST, SECOND, Found, values


def draw(folder: RunFolder, right: Mapping[str, Heads], found: Found, metrics: Mapping[str, float]) -> None:
    """Reliability of responses, forecasts by horizon, and policies in both learned worlds.

    Args:
        folder: of the run.
        right: how right responses are.
        found: of policies.
        metrics: the run's.
    """
    draw_responses(folder, [right])
    draw_forecasts(folder, metrics, TESTS)
    _policies(folder, found)


def _policies(folder: RunFolder, found: Found) -> None:
    first_A, second_A = (values([found], "reward", place)[0] for place in (FIRST, SECOND))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
        low, high = min(first_A.min(), second_A.min(), 0.0), 1.05 * max(first_A.max(), second_A.max())
        axes.plot([low, high], [low, high], color=QUIET, lw=1, ls="--", zorder=0)
        axes.scatter(first_A, second_A, s=16, color=KINDS[0])
        for name, x, y in zip(found, first_A, second_A, strict=True):
            axes.annotate(name, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6, color=INK)
        axes.set(xlabel="reward in the first learned world", ylabel="reward in the second")
        figures.save(figure, folder.figures / "policies.png")
    folder.write_table("policies.csv", ["policy", "first", "second"], zip(found, first_A, second_A, strict=True))
