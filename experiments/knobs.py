"""Refuses a knob that the chosen experiment does not have, before anything is run, and names those that it has."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

CONF = Path(__file__).resolve().parent.parent / "conf"


class UnknownKnobError(ValueError):
    """An override names a knob, or a group's option, that is not there."""


def check_overrides(overrides: Sequence[str]) -> None:
    """Look at the overrides of a command line.

    Args:
        overrides: such as `["p_hard=0", "data=radio"]`; flags and additions (`+x=1`) are passed over.

    Raises:
        UnknownKnobError: naming the knob, the nearest one that exists, and all that exist.
    """
    given = dict(o.split("=", 1) for o in overrides if "=" in o and o[0] not in "-+~")
    for group in groups():
        for option in given.get(group, "").split(","):
            if option and option not in options(group):
                raise UnknownKnobError(
                    f"{group}={option} does not exist{_nearest(option, options(group))}. There are: "
                    f"{', '.join(options(group))}"
                )
    for experiment in given.get("experiment", "negative_feedback").split(","):
        knobs = knobs_of(experiment)
        allowed = {*knobs, *groups(), "workspace", "hydra"}
        for key in given:
            top = key.split(".")[0].split("/")[0].split("@")[0]
            if top not in allowed:
                raise UnknownKnobError(
                    f"experiment {experiment} has no knob {top!r}{_nearest(top, sorted(allowed))}. Its knobs: "
                    f"{', '.join(knobs)}; its groups: {', '.join(groups())}"
                )


def knobs_of(experiment: str) -> list[str]:
    """The knobs at the top of an experiment's config."""
    config = OmegaConf.load(CONF / "experiment" / f"{experiment}.yaml")
    return [str(key) for key in config if key not in ("defaults", "system", "main")]


def groups() -> list[str]:
    """The config groups: the folders of `conf`."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def options(group: str) -> list[str]:
    """What a group can be set to."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def _nearest(word: str, words: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
