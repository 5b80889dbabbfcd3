"""Refuses a knob that is not there, or a value of another kind than the knob's, before anything is run."""

import argparse
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).resolve().parent.parent / "conf"

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    # A truth value is a number to Python, so it comes first.
    (bool, "true or false"),
    (int, "a whole number"),
    ((int, float), "a number"),
    (list, "a list, such as [a,b]"),
    (dict, "a mapping, such as {a: b}"),
)


class KnobError(ValueError):
    """An override names a knob, or a group's option, that is not there, or gives a value of the wrong kind."""


def check_overrides(arguments: Sequence[str]) -> None:
    """Look at the overrides of a command line.

    Args:
        arguments: such as `["p_hard=0", "data=radio"]`; flags and additions (`+x=1`) are passed over, but for
            `--config-dir`, whose folder has options of one's own.

    Raises:
        KnobError: naming the knob, the nearest one that exists, and all that exist; or the value, and its kind.
    """
    places = (CONF, *_added_conf(arguments))
    try:
        parsed = OverridesParser.create().parse_overrides([a for a in arguments if "=" in a and a[0] not in "-+~"])
    except OverrideParseException as error:
        raise KnobError(f"{error.override} can't be read: {str(error).splitlines()[0]}") from error
    given = {override.key_or_group: list(_values(override)) for override in parsed}
    for group in groups():
        for option in given.get(group, []):
            there = options(group, places)
            if option not in there:
                raise KnobError(
                    f"{group}={option} does not exist{_nearest(str(option), there)}. There are: {', '.join(there)}"
                )
    for experiment in given.get("experiment", [_default_experiment()]):
        config = _config(experiment, {group: given[group][0] for group in groups() if given.get(group)}, places)
        for key, values in given.items():
            if key.split(".")[0].split("/")[0] not in ("hydra", *groups()) or "." in key:
                _check_knob(experiment, config, key, values)


def _added_conf(arguments: Sequence[str]) -> list[Path]:
    """The folder of configs that a command line adds."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    try:
        folder = parser.parse_known_args(arguments)[0].config_dir
    except argparse.ArgumentError as error:
        raise KnobError(f"{error}: name the folder that has your configs") from error
    if folder is not None and not folder.is_dir():
        raise KnobError(f"--config-dir is {str(folder)!r}, which is no folder; name the one that has your configs")
    return [folder] if folder else []


def _values(override: Override) -> Iterator[Any]:
    """What an override sets its knob to: one value, or those of a sweep over a list."""
    value = override._value
    for one in value.list if isinstance(value, ChoiceSweep) else [] if override.is_sweep_override() else [value]:
        yield one.text if isinstance(one, QuotedString) else one


def _check_knob(experiment: str, config: dict[str, Any], key: str, values: Sequence[Any]) -> None:
    if key.split(".")[0] == "hydra":
        return
    place: Any = config
    above = f"experiment {experiment}"
    for part in key.split("."):
        if not isinstance(place, dict):
            raise KnobError(f"{above} is a value, {_shown(place)} by default, and has no knob {part!r} below it")
        if part not in place:
            knobs = [name for name in place if not name.startswith("_")]
            top = place is config
            more = f"the groups: {', '.join(groups())}" if top else f"+{key}=... adds one, where more are understood"
            told = ", ".join(name for name in knobs if not top or name not in groups())
            raise KnobError(f"{above} has no knob {part!r}{_nearest(part, knobs)}. Its knobs: {told or 'none'}; {more}")
        above = part if place is config else f"{above}.{part}"
        place = place[part]
    for kind, name in _KINDS:
        if isinstance(place, kind):
            for value in values:
                # null is for the knob's owner to judge, and so is what stands for another value.
                placeholder = isinstance(value, str) and "${" in value
                if value is not None and not placeholder and not _is(value, kind):
                    raise KnobError(f"{key} is {value!r}, but must be {name}; it is {_shown(place)} by default")
            return


def _is(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _config(experiment: str, chosen: dict[str, Any], places: Sequence[Path]) -> dict[str, Any]:
    """An experiment's knobs, with those of its groups below each group's name."""
    own, defaults = _own(experiment, places)
    top = OmegaConf.load(CONF / "config.yaml")
    config = OmegaConf.create({"workspace": top.workspace, "profile": top.profile} | own)
    for group, option in ({"task": "train"} | defaults | chosen).items():
        if group != "experiment":
            config.merge_with(_option(group, option, places))
    whole = OmegaConf.to_container(config, resolve=False)
    assert isinstance(whole, dict)
    return {str(key): value for key, value in whole.items()}


def _file(group: str, option: str, places: Sequence[Path]) -> Path:
    """Where an option is told: in the first place that has it, as Hydra looks for it."""
    return next(path for place in places if (path := place / group / f"{option}.yaml").exists())


def _option(group: str, option: str, places: Sequence[Path]) -> DictConfig:
    """What a group's option says, and before it what those say that it builds on."""
    path = _file(group, option, places)
    found = OmegaConf.load(path)
    assert isinstance(found, DictConfig)
    built_on = [_option(group, name, places) for name in found.pop("defaults", []) if name != "_self_"]
    own = found if path.read_text().startswith("# @package _global_") else OmegaConf.create({group: found})
    whole = OmegaConf.merge(*built_on, own)
    assert isinstance(whole, DictConfig)
    return whole


def knobs_of(experiment: str) -> list[str]:
    """The knobs at the top of an experiment's config."""
    return list(_own(experiment, [CONF])[0])


def _own(experiment: str, places: Sequence[Path]) -> tuple[dict[str, Any], dict[str, str]]:
    """An experiment's own knobs with their values, and what it chooses of groups; with those of what it builds on."""
    values = OmegaConf.to_container(OmegaConf.load(_file("experiment", experiment, places)), resolve=False)
    assert isinstance(values, dict)
    knobs: dict[str, Any] = {}
    chosen: dict[str, str] = {}
    for entry in values.pop("defaults"):
        if isinstance(entry, dict):
            ((group, option),) = entry.items()
            chosen[group.removeprefix("override ").removeprefix("/")] = option
        elif entry != "_self_":
            built_on = _own(entry, places)
            knobs, chosen = built_on[0] | knobs, built_on[1] | chosen
    own = {str(key): value for key, value in values.items() if key not in ("system", "main", *groups())}
    return knobs | own, chosen


def _default_experiment() -> str:
    """The experiment that a command line without one runs."""
    (default,) = (entry.experiment for entry in OmegaConf.load(CONF / "config.yaml").defaults if "experiment" in entry)
    return str(default)


def groups() -> list[str]:
    """The config groups: the folders of `conf`."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def options(group: str, places: Sequence[Path] = (CONF,)) -> list[str]:
    """What a group can be set to."""
    return sorted({path.stem for place in places for path in (place / group).glob("*.yaml")})


def _nearest(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
