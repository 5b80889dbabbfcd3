"""The page and the plots of `python -m benchmarks`, made from what the benchmarks printed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

from benchmarks.programs import KINDS, MOVES
from benchmarks.scale import costs
from benchmarks.step_cost import AXES
from benchmarks.training import RECTOOLS_CASES, is_set_beside
from experiments import figures
from experiments.tables import markdown_table
from urep_jax.training.layout import TableLayout

Results = Mapping[str, Mapping[str, Any]]
"""What each benchmark printed, by its name."""

_DEVICES = (2, 4, 8, 16, 32, 64)
_GIB = ("state_gib", "temporary_gib")
_TOOK = (*KINDS, MOVES)


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
        "By `python -m benchmarks FOLDER`. In brackets the least and the most of all rounds, before them the median.",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['ram_gib']} GiB; {packages}.",
        "",
        _ran_on(machine["devices"]),
        "",
    ]
    for title, rows, of in (
        ("Beside peers, in the same run", list(_peers(results)), ["skip_gram", "ranking"]),
        ("Training", list(_training(results)), ["training"]),
        ("Share of the machine's matrix products", list(_shares(results)), ["matmul_share"]),
        ("Other rates", list(_rates(results)), ["user_vectors", "listeners"]),
    ):
        if len(rows) > 1:
            parts += [f"## {title}", "", *_abouts(results, of), markdown_table(rows), ""]
    for n, (axis, found) in enumerate(_step_costs(results).items()):
        about = [] if n else _abouts(results, ["step_cost"])
        parts += [f"## A step's cost by {axis}", "", *about, f"![by {axis}]({axis}.svg)", ""]
        rows = [[axis, "thread time, to the first", "ms", "state, GiB", "temporary, GiB"]]
        rows += [
            [name, _spread(one, "cpu_ms_to_first", ".2f"), f"{one['ms']:,.0f}", *(f"{one[kind]:.2f}" for kind in _GIB)]
            for name, one in found.items()
        ]
        parts += [markdown_table(rows), ""]
    parts += ["## Many devices", "", "![bytes that a device sends](devices.svg)", ""]
    parts += ["Arithmetic, of 30 million tracks; `python -m benchmarks.scale` has the whole of it.", ""]
    return "\n".join(parts)


def _ran_on(devices: Mapping[str, int]) -> str:
    """Whether an accelerator computed."""
    accelerators = [f"{count} {kind}" for kind, count in devices.items() if kind.lower() != "cpu"]
    if accelerators:
        return f"JAX computed on {', '.join(accelerators)}."
    return "No accelerator was there: nothing of this was measured on one. The same command, where there is one, does."


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
    with plt.rc_context(figures.STYLE):
        figure, axes = plt.subplots(figsize=(4.6, 3.2), layout="constrained")
        for (name, points), color in zip(series.items(), figures.KINDS, strict=False):
            axes.plot(*zip(*points, strict=True), color=color, marker="o", ms=3, lw=1.4, label=name)
        axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        ticks = sorted({place for points in series.values() for place, _ in points})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], fontsize=7)
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.legend()
        figures.save(figure, path)


def _abouts(results: Results, names: Sequence[str]) -> Iterator[str]:
    """What was measured, in the words of each benchmark."""
    for name in names:
        if about := results.get(name, {}).get("about"):
            said = (f"{key.replace('_', ' ')} {_said(value)}" for key, value in about.items())
            yield f"`benchmarks.{name}`: {', '.join(said)}."
            yield ""


def _said(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, Mapping):
        return " and ".join(f"{_said(own)} ({name})" for name, own in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _step_costs(results: Results) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = results.get("step_cost", {}).get("step_cost", {})
    return found


def _peers(results: Results) -> Iterator[list[str]]:
    yield ["ours", "beside", "times its rate", "by thread time"]
    training = results.get("training", {}).get("training", {})
    for name, one in training.items():
        for peer in (peer for peer in RECTOOLS_CASES if is_set_beside(name, peer)):
            yield from _beside(f"training, {name}", one, peer)
    for name, one in results.get("skip_gram", {}).get("skip_gram", {}).items():
        yield from _beside(f"skip-gram, {name}", one["urep_jax"], "gensim")
    for items, one in results.get("ranking", {}).get("ranking", {}).items():
        yield from _beside(f"nearest of {items} items", one["urep_jax"], "faiss")


def _beside(name: str, one: Mapping[str, Any], peer: str) -> Iterator[list[str]]:
    if f"times_{peer}" in one:
        yield [name, peer, _spread(one, f"times_{peer}", ".1f"), _spread(one, f"times_{peer}_cpu", ".1f")]


def _training(results: Results) -> Iterator[list[str]]:
    yield ["", "positions a second", "ms a batch", "loss, first to last", "peak memory, GiB", "compiles in, s"]
    for name, one in results.get("training", {}).get("training", {}).items():
        first, last = (f"{loss:,.2f}" for loss in one["loss_first_to_last"])
        compile_s = f"{one['compile_s']:.0f}" if "compile_s" in one else ""
        rate, ms = f"{one['positions_per_s']:,}", f"{one['ms_per_batch']:,.0f}"
        yield [name, rate, ms, f"{first} to {last}", f"{one['peak_rss_gib']:.2f}", compile_s]


def _shares(results: Results) -> Iterator[list[str]]:
    yield ["a training step", "of the machine's rate", "its products alone", *(f"time: {kind}" for kind in _TOOK)]
    for name, one in results.get("matmul_share", {}).get("matmul_share", {}).items():
        of_rate = [_percent(one[key]) for key in ("share", "share_of_products")]
        yield [name, *of_rate, *(f"{one[kind][0]:.0%}" for kind in _TOOK)]


def _rates(results: Results) -> Iterator[list[str]]:
    yield ["", "a second"]
    for engine, kinds in results.get("ingest", {}).get("ingest", {}).items():
        for kind, one in kinds.items():
            yield [f"ingest, {engine}, {kind}: rows", f"{one['rows_per_s']:,}"]
    for log, own in results.get("input", {}).get("input", {}).items():
        for name in ("random_negatives", "hard_negatives"):
            yield [f"input, {log}, {name.replace('_', ' ')}: events", f"{own[name]['events_per_s']:,}"]
    for name, own in results.get("skip_gram", {}).get("skip_gram", {}).items():
        yield [f"skip-gram, {name}, one core: pairs", f"{own['urep_jax']['pairs_per_s']:,}"]
    for name in ("features", "inference", "training"):
        if own := results.get("user_vectors", {}).get("results", {}).get(name):
            yield [f"user vectors, {name}: users", f"{own['users_per_s']:,}"]
    for items, own in results.get("ranking", {}).get("ranking", {}).items():
        yield [f"nearest of {items} items: users", f"{own['urep_jax']['users_per_s']:,}"]
    for name, own in results.get("listeners", {}).get("listeners", {}).items():
        yield [f"world of listeners, {name}: steps", f"{own['steps_per_s']:,}"]
    for kind, rates in results.get("online_parts", {}).get("online_parts", {}).items():
        for name, rate in rates.items():
            what, per_s, rest = name.partition("/s ")
            if per_s:
                yield [f"online, {kind}: {what} {rest}", f"{rate:,.0f}"]


def _spread(one: Mapping[str, Any], key: str, form: str) -> str:
    low, high = one[f"{key}_spread"]
    return f"{one[key]:{form}} ({low:{form}} to {high:{form}})"


def _percent(spread: Sequence[float]) -> str:
    middle, low, high = (f"{value:.0%}" for value in spread)
    return f"{middle} ({low} to {high})"
