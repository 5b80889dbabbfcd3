"""The page and the plots of `python -m benchmarks`, made from what the benchmarks printed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

from benchmarks.scale import costs
from benchmarks.step_cost import AXES
from experiments.figures import KINDS, STYLE, save
from experiments.tables import markdown_table
from urep_jax.training.layout import TableLayout

Results = Mapping[str, Mapping[str, Any]]
"""What each benchmark printed, by its name."""

_DEVICES = (2, 4, 8, 16, 32, 64)


def read_results(folder: Path) -> dict[str, dict[str, Any]]:
    """The results that lie in a folder."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def page(results: Results) -> str:
    """All of it, in Markdown: ratios first, then the machine, then rates."""
    machine = next(iter(results.values()))["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    parts = [
        "# Benchmarks",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB; {packages}.",
        "",
    ]
    for title, rows in (
        ("Beside peers, in the same run", list(_peers(results))),
        ("Share of the machine's matrix products", list(_shares(results))),
        ("Rates", list(_rates(results))),
    ):
        if len(rows) > 1:
            parts += [f"## {title}", "", markdown_table(rows), ""]
    for axis, found in _step_costs(results).items():
        parts += [f"## A step's cost by {axis}", "", f"![by {axis}]({axis}.svg)", ""]
        rows = [[axis, "thread time, to the first", "ms", "temporary, GiB"]]
        rows += [
            [name, _spread(one, "cpu_ms_to_first"), f"{one['ms']:,}", f"{one['temporary_gib']:.2f}"]
            for name, one in found.items()
        ]
        parts += [markdown_table(rows), ""]
    parts += ["## Many devices", "", "![bytes that a device sends](devices.svg)", ""]
    parts += ["Arithmetic, of 30 million tracks; `python -m benchmarks.scale` has the whole of it.", ""]
    return "\n".join(parts)


def draw(results: Results, folder: Path) -> None:
    """The plots: a step's cost along each axis that was measured, and what is exchanged among devices."""
    for axis, found in _step_costs(results).items():
        series: dict[str, list[tuple[float, float]]] = {}
        for case in AXES[axis]:
            if (name := case.named(axis)) in found:
                kind = name.partition(" ")[2] or "bce"
                series.setdefault(kind, []).append((case.size(axis), found[name]["cpu_ms_to_first"]))
        _lines(series, axis, "thread time of a step, to the first", folder / f"{axis}.svg")
    layouts: Sequence[TableLayout] = get_args(TableLayout)
    sent = {one: [(n, costs(n, one)["exchanged"] / 1e9) for n in _DEVICES] for one in layouts}
    _lines(
        {f"tables as {name}": own for name, own in sent.items()},
        "devices",
        "GB that each sends in a step",
        folder / "devices.svg",
    )


def _lines(series: Mapping[str, Sequence[tuple[float, float]]], x: str, y: str, path: Path) -> None:
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
        for (name, points), color in zip(series.items(), KINDS, strict=False):
            axes.plot(*zip(*points, strict=True), color=color, marker="o", ms=3, lw=1.4, label=name)
        axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        ticks = sorted({place for points in series.values() for place, _ in points})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=7)
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend()
        save(figure, path)


def _step_costs(results: Results) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = results.get("step_cost", {}).get("step_cost", {})
    return found


def _peers(results: Results) -> Iterator[list[str]]:
    yield ["ours", "beside", "times its rate", "by thread time"]
    systems = dict(results.get("training", {}).get("training", {}))
    systems |= {
        f"skip-gram, {name}": one["urep_jax"] for name, one in results.get("skip_gram", {}).get("skip_gram", {}).items()
    }
    systems |= {
        f"nearest of {items} items": one["urep_jax"]
        for items, one in results.get("ranking", {}).get("ranking", {}).items()
    }
    for name, one in systems.items():
        for key in one:
            if key.startswith("times_") and f"{key}_cpu" in one:
                yield [name, key.removeprefix("times_"), _spread(one, key), _spread(one, f"{key}_cpu")]


def _shares(results: Results) -> Iterator[list[str]]:
    yield ["a training step", "of the machine's rate", "its products alone", "of its time in products"]
    for name, one in results.get("matmul_share", {}).get("matmul_share", {}).items():
        yield [name, *(_percent(one[key]) for key in ("share", "share_of_products", "products"))]


def _rates(results: Results) -> Iterator[list[str]]:
    yield ["", "a second"]
    for engine, kinds in results.get("ingest", {}).get("ingest", {}).items():
        for kind, one in kinds.items():
            yield [f"ingest, {engine}, {kind}: rows", f"{one['rows_per_s']:,}"]
    for log, own in results.get("input", {}).get("input", {}).items():
        for name in ("random_negatives", "hard_negatives"):
            yield [f"input, {log}, {name.replace('_', ' ')}: events", f"{own[name]['events_per_s']:,}"]
    for name, own in results.get("training", {}).get("training", {}).items():
        yield [f"training, {name}: positions", f"{own['positions_per_s']:,}"]
    for name in ("features", "inference", "training"):
        if own := results.get("user_vectors", {}).get("results", {}).get(name):
            yield [f"user vectors, {name}: users", f"{own['users_per_s']:,}"]
    for items, own in results.get("ranking", {}).get("ranking", {}).items():
        yield [f"nearest of {items} items: users", f"{own['urep_jax']['users_per_s']:,}"]
    for name, own in results.get("listeners", {}).get("listeners", {}).items():
        yield [f"world of listeners, {name}: steps", f"{own['steps_per_s']:,}"]


def _spread(one: Mapping[str, Any], key: str) -> str:
    low, high = one[f"{key}_spread"]
    return f"{one[key]} ({low} to {high})"


def _percent(spread: Sequence[float]) -> str:
    middle, low, high = (f"{value:.0%}" for value in spread)
    return f"{middle} ({low} to {high})"
