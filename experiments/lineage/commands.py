"""`task=lineage`: what serves, what is due, and how that changes."""

import datetime
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from experiments.lineage.registry import cadence, lineage_store
from experiments.lineage.retrain import retrain
from urep_jax.core.types import SECONDS_PER_DAY
from urep_jax.lineage.batch import Batch
from urep_jax.lineage.due import Due
from urep_jax.lineage.errors import Unknown
from urep_jax.lineage.state import Lineage
from urep_jax.lineage.store import LineageStore, Seen


def lineage(cfg: DictConfig, console: Console) -> None:
    """Do what `lineage.command` says."""
    command = cfg.lineage.command
    if command not in _COMMANDS:
        raise ValueError(f"lineage.command is {command!r}, but must be one of {', '.join(_COMMANDS)}")
    if cfg.lineage.chain is None:
        raise ValueError("lineage.chain is null, but must name the chain; leave it as it is, or name one")
    if command != "cadence" and cfg.lineage.retrain_days is not None:
        raise ValueError("lineage.retrain_days is for trainings and lineage.command=cadence; leave it out here")
    store = lineage_store(cfg)
    if cfg.lineage.chain not in store.chains():
        there = ", ".join(store.chains()) or "none"
        raise ValueError(
            f"there is no chain {cfg.lineage.chain!r} in {store.path}: nothing of it was trained in this workspace. "
            f"Chains that there are: {there}; name one with lineage.chain=..., or train with "
            "python -m experiments.run"
        )
    _COMMANDS[command](cfg, store, console)


def _status(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    chain = cfg.lineage.chain
    console.print(drawn(chain, store.look(chain), time.time()), soft_wrap=True)


def drawn(chain: str, seen: Seen, now: float) -> Tree:
    """The graph, as a tree of what reads what: each model with its batches, their age, and why it is due."""
    state = seen.lineage
    due = {one.model: one for one in state.due(now)}
    tree = Tree(Text(f"{chain}, version {seen.version}", "bold"))
    for model in state.graph.order:
        branch = tree.add(_headline(state, model, due.get(model)))
        for title, slot in (("current", state.current), ("legacy", state.legacy)):
            if model in slot:
                branch.add(_line(title, slot[model], state, now))
        waiting = [batch for batch in state.trained.values() if batch.model == model]
        if waiting:
            latest = max(waiting, key=lambda batch: batch.trained_at)
            more = f", {len(waiting) - 1} more" if len(waiting) > 1 else ""
            line = _line("trained", latest, state, now)
            branch.add(line.append(f"{more}; not in use"))
    for reader in state.readers.values():
        if reader.counts(now):
            tree.add(Text(f"read by {reader.name}: {', '.join(sorted(reader.space_ids))}"))
    return tree


def _headline(state: Lineage, model: str, due: Due | None) -> Text:
    parents = state.graph.parents[model]
    text = Text.assemble((model, "bold"), f" ◄ {', '.join(parents)}" if parents else "")
    if model in state.cadence:
        text.append(f"  every {state.cadence[model]:g} days")
    if due is not None:
        text.append(f"  due: {'; '.join(due.reasons)}", "yellow")
    return text


def _line(title: str, batch: Batch, state: Lineage, now: float) -> Text:
    legacy = {one.space_id for one in state.legacy.values()}
    reads = ", ".join(parent for parent, space_id in batch.parents.items() if space_id in legacy)
    age = _age(max(0.0, now - batch.trained_at))
    return Text(f"{title:8}{batch.space_id}  {age}{f', on the legacy {reads}' if reads else ''}")


def _age(seconds: float) -> str:
    for unit, length in (("day", SECONDS_PER_DAY), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} old"
    return "just trained"


def _due(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    found = store.look(cfg.lineage.chain).lineage.due(time.time())
    if not found:
        console.print("nothing is due")
        return
    table = Table("model", "why", "trained and waiting")
    for one in found:
        table.add_row(one.model, "; ".join(one.reasons), ", ".join(one.waiting))
    console.print(table)


def _rotate(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    seen = store.look(cfg.lineage.chain)
    run = latest_run(seen.lineage) if cfg.lineage.run is None else str(Path(cfg.lineage.run).absolute())
    waiting = [batch for batch in seen.lineage.slots.all() if batch.run == run]
    if not waiting:
        raise Unknown(f"no training in {run} is registered in {cfg.lineage.chain}; name the folder of a run that is")
    chosen = [batch.space_id for batch in waiting if seen.lineage.legacy.get(batch.model) != batch]
    after = store.rotate(cfg.lineage.chain, chosen, seen.version)
    if after.version == seen.version:
        console.print("these serve already")
    console.print(drawn(cfg.lineage.chain, after, time.time()), soft_wrap=True)


def latest_run(state: Lineage) -> str:
    """The folder of the run whose training ended last, of those that wait.

    Raises:
        Unknown: if nothing waits.
    """
    if not state.trained:
        raise Unknown("nothing that was trained waits to be used; train first, or name a run with lineage.run=FOLDER")
    return max(state.trained.values(), key=lambda batch: batch.trained_at).run


def _rollback(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    if cfg.lineage.model is None:
        raise ValueError("lineage.command=rollback needs lineage.model=NAME, of the model that goes back")
    seen = store.look(cfg.lineage.chain)
    after = store.rollback(cfg.lineage.chain, cfg.lineage.model, seen.version)
    console.print(drawn(cfg.lineage.chain, after, time.time()), soft_wrap=True)


def _cadence(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    if not (told := cadence(cfg)):
        raise ValueError("lineage.command=cadence needs lineage.retrain_days, such as lineage.retrain_days={users: 30}")
    chain = cfg.lineage.chain
    after = store.declare(chain, store.look(chain).lineage.graph, told)
    console.print(drawn(chain, after, time.time()), soft_wrap=True)


def _history(cfg: DictConfig, store: LineageStore, console: Console) -> None:
    table = Table("", "when", "what", "of", "by")
    for entry in store.history(cfg.lineage.chain):
        when = datetime.datetime.fromtimestamp(entry.time, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(str(entry.version), when, entry.action, "\n".join(entry.space_ids), entry.actor)
    console.print(table)


_COMMANDS: Mapping[str, Callable[[DictConfig, LineageStore, Console], None]] = {
    "status": _status,
    "due": _due,
    "retrain": retrain,
    "rotate": _rotate,
    "rollback": _rollback,
    "cadence": _cadence,
    "history": _history,
}
