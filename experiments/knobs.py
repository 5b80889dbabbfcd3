"""Refuses a knob that is not there, or a value of another kind than the knob's, before anything is run."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, QuotedString
from hydra.errors import OverrideParseException
from omegaconf import DictConfig, OmegaConf

CONF = Path(__file__).resolve().parent.parent / "conf"

_KINDS: tuple[tuple[Any, str], ...] = (
    # A truth value is a number to Python, so it comes first.
    (bool, "true or false"),
    (int, "a whole number"),
    ((int, float), "a number"),
    (list, "a list, such as [a,b]"),
    (dict, "a mapping, such as {a: b}"),
    (str, "a single value"),
)
"""What a default says of the values that a knob can take: their kind, and its name."""

_NO_KNOBS = ("hydra", "main", "command", "system")
"""What an option or an experiment decides besides knobs."""


class KnobError(ValueError):
    """An override names a knob, or a group's option, that is not there, or gives a value of the wrong kind."""


class _Composed(NamedTuple):
    """A config before anything is overridden.

    Attributes:
        experiment: its name.
        chosen: the option of each group.
        config: the experiment's knobs, with those of its groups below each group's name.
        places: the folders that have the options.
    """

    experiment: str
    chosen: dict[str, Any]
    config: dict[str, Any]
    places: Sequence[Path]


class _Own(NamedTuple):
    """What an experiment says.

    Attributes:
        knobs: its own.
        of_groups: of its groups' knobs, by group.
        chosen: the option of each group that it names.
    """

    knobs: dict[str, Any]
    of_groups: dict[str, Any]
    chosen: dict[str, str]


def check_overrides(overrides: Sequence[str], config_dir: Path | None = None) -> None:
    """Look at the overrides of a command line.

    A knob can be added (`+data.source.params.num_tracks=900`) or left out (`~data.split.min_events`) where a
    constructor is called with what is there; anywhere else nothing would read it, or something would miss it.

    Args:
        overrides: such as `["p_hard=0", "data=radio"]`.
        config_dir: a folder that has options of one's own.

    Raises:
        KnobError: naming the knob, the nearest one that exists or the option that has it, and all that exist; or the
            value, and its kind.
    """
    places = (CONF,) if config_dir is None else (CONF, config_dir)
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        name, _, value = error.override.partition("=")
        quoted = value.replace('"', "")
        raise KnobError(
            f"{error.override} can't be read; close what is open, and quote a value that has one of = ; ( [ {{ in it: "
            f"""'{name}="{quoted}"'"""
        ) from error
    given = {override.key_or_group: list(_values(override)) for override in parsed if not override.is_delete()}
    for group in groups():
        for option in given.get(group, []):
            there = options(group, places)
            if option not in there:
                raise KnobError(
                    f"{group}={option} does not exist{_nearest(str(option), there)}. There are: {', '.join(there)}"
                )
    for experiment in given.get("experiment", [_default_experiment()]):
        chosen = {group: given[group][0] for group in groups() if given.get(group)}
        for group in chosen:
            for option in given[group]:
                _check_belongs(experiment, group, option, places)
        composed = _composed(experiment, chosen, places)
        for override in parsed:
            _check(composed, override)


def _values(override: Override) -> Iterator[Any]:
    """What an override sets its knob to: one value, or those of a sweep over a list."""
    value = override._value
    for one in value.list if isinstance(value, ChoiceSweep) else [] if override.is_sweep_override() else [value]:
        yield one.text if isinstance(one, QuotedString) else one


def _check_belongs(experiment: str, group: str, option: str, places: Sequence[Path]) -> None:
    """Refuse an option that is of another system: it sets, or lacks, what the experiment has."""
    if group == "experiment":
        return
    own, _, defaults = _own(experiment, places)
    found = _option(group, option, places)
    sweeper = OmegaConf.select(found, "hydra.sweeper.params") or {}
    named = {str(key) for key in found} - {*_NO_KNOBS, *groups()} | {str(key).split(".")[0] for key in sweeper}
    # A task brings knobs of its own; what else it sets, an experiment must have.
    strange = [] if group == "task" else sorted(named - {*own, *groups()})
    # What a data set is told is its own affair; elsewhere a group's options have the same knobs.
    if not strange and group in found and group in defaults and group != "data":
        default = _option(group, defaults[group], places)
        strange = sorted(f"{group}.{key}" for key in found[group].keys() ^ default[group].keys())
    if strange:
        raise KnobError(
            f"{group}={option} is not for experiment={experiment}: they differ in {', '.join(strange)}. Leave it out, "
            "or take an experiment of the system that it belongs to"
        )


def _check(composed: _Composed, override: Override) -> None:
    key = override.key_or_group
    adds, takes_away = override.is_add(), override.is_delete()
    if key.split(".")[0].split("/")[0] == "hydra":
        return
    if key in groups():
        if adds or takes_away:
            raise KnobError(f"{override.input_line} names a group, which always has one option: {key}=NAME")
        return
    place: Any = composed.config
    target = ""
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if isinstance(place, dict):
            # What lies below a constructor's argument is its to judge.
            target = place.get("_target_", target)
        if not isinstance(place, dict) or part not in place:
            is_open = bool(target) and (place is None or isinstance(place, dict))
            if is_open and (adds or override.is_force_add()):
                return
            raise KnobError(_missing(composed, parts[:depth], part, place, target))
        place = place[part]
    if adds:
        raise KnobError(f"+{key} adds what is there already; leave out the +, as in {key}=...")
    if takes_away:
        if not target:
            raise KnobError(f"~{key} takes away what the experiment reads; give it a value instead, as in {key}=...")
        return
    _check_kind(composed.config, key, place, _values(override))


def _check_kind(config: dict[str, Any], key: str, default: Any, values: Iterator[Any]) -> None:
    like = default
    # A knob that follows another one takes the same values.
    while isinstance(like, str) and (other := re.fullmatch(r"\$\{([\w.]+)\}", like)):
        like = config
        for part in other[1].split("."):
            like = like[part]
    for kind, name in _KINDS:
        if isinstance(like, kind):
            for value in values:
                # null is for the knob's owner to judge, and so is what stands for another value.
                placeholder = isinstance(value, str) and "${" in value
                if value is not None and not placeholder and not _is(value, kind):
                    raise KnobError(f"{key} is {value!r}, but must be {name}; it is {_shown(default)} by default")
            return


def _is(value: Any, kind: Any) -> bool:
    if kind is str:
        # A name may look like a number.
        return not isinstance(value, (list, dict))
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _missing(composed: _Composed, above: Sequence[str], part: str, place: Any, target: str) -> str:
    """Why there is no knob `part` in `place`, and which there are."""
    key = ".".join([*above, part])
    where = ".".join(above) or f"experiment {composed.experiment}"
    if not isinstance(place, dict):
        whole = f"; give it whole, as in {where}={{{part}: ...}}" if target and place is None else ""
        return f"{where} is a value, {_shown(place)} by default, and has no knob {part!r} below it{whole}"
    knobs = [name for name in place if not name.startswith("_")]
    told = ", ".join(name for name in knobs if above or name not in groups())
    more = "" if above else f"; the groups: {', '.join(groups())}"
    if target:
        more += f"; +{key}=... gives {target.rpartition('.')[2]} another argument"
    group = key.split(".")[0]
    having = [f"{group}={name}" for name in options(group, composed.places) if _has(composed.places, group, name, key)]
    if having:
        hint = f" with {group}={composed.chosen[group]}, but with {_either(having)}"
    else:
        hint = _nearest(part, knobs)
    return f"{where} has no knob {part!r}{hint}. Its knobs: {told or 'none'}{more}"


def _has(places: Sequence[Path], group: str, option: str, key: str) -> bool:
    """Whether a group's option has a knob."""
    place: Any = OmegaConf.to_container(_option(group, option, places), resolve=False)
    for part in key.split("."):
        if not isinstance(place, dict) or part not in place:
            return False
        place = place[part]
    return True


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "null" if value is None else "empty"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _composed(experiment: str, chosen: dict[str, Any], places: Sequence[Path]) -> _Composed:
    own, of_groups, defaults = _own(experiment, places)
    top = OmegaConf.load(CONF / "config.yaml")
    everywhere = {key: value for key, value in top.items() if key not in ("defaults", *_NO_KNOBS)}
    config = OmegaConf.create(everywhere | own)
    chosen = {"task": "train"} | defaults | chosen
    for group, option in chosen.items():
        if group != "experiment":
            config.merge_with(_option(group, option, places))
    config.merge_with(of_groups)
    whole = OmegaConf.to_container(config, resolve=False)
    assert isinstance(whole, dict)
    knobs = {str(key): value for key, value in whole.items() if key not in _NO_KNOBS}
    return _Composed(experiment, chosen, knobs, places)


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
    return list(_own(experiment, [CONF]).knobs)


def _own(experiment: str, places: Sequence[Path]) -> _Own:
    """What an experiment says itself; with what those say that it builds on."""
    values = OmegaConf.to_container(OmegaConf.load(_file("experiment", experiment, places)), resolve=False)
    assert isinstance(values, dict)
    below: list[_Own] = []
    chosen: dict[str, str] = {}
    for entry in values.pop("defaults"):
        if isinstance(entry, dict):
            ((group, option),) = entry.items()
            chosen[group.removeprefix("override ").removeprefix("/")] = option
        elif entry != "_self_":
            below.append(_own(entry, places))
            chosen = below[-1].chosen | chosen
    own = {str(key): value for key, value in values.items() if key not in _NO_KNOBS}
    knobs, of_groups = ({key: own[key] for key in own if (key in groups()) is of} for of in (False, True))
    return _Own(
        _merged([*(one.knobs for one in below), knobs]), _merged([*(one.of_groups for one in below), of_groups]), chosen
    )


def _merged(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Configs upon each other, the last on top."""
    whole = OmegaConf.to_container(OmegaConf.merge(*parts), resolve=False)
    assert isinstance(whole, dict)
    return {str(key): value for key, value in whole.items()}


def _default_experiment() -> str:
    """The experiment that a command line without one runs."""
    (default,) = (entry.experiment for entry in OmegaConf.load(CONF / "config.yaml").defaults if "experiment" in entry)
    return str(default)


def groups() -> list[str]:
    """The config groups: the folders of `conf`, but for what Hydra itself reads."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")


def options(group: str, places: Sequence[Path] = (CONF,)) -> list[str]:
    """What a group can be set to."""
    return sorted({path.stem for place in places for path in (place / group).glob("*.yaml")})


def _nearest(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
