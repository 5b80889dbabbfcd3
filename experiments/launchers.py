"""What starts the jobs of a sweep: does a launcher of `conf/hydra/launcher` have what it builds on?"""

from collections.abc import Sequence

from urep_jax.core.extras import from_extra

_NEEDS = {
    "side_by_side": ("hydra_plugins.hydra_joblib_launcher", "sweeps"),
    "slurm": ("hydra_plugins.hydra_submitit_launcher", "sweeps"),
    "ray": ("ray", "ray"),
}
"""A package, and the extra that brings it."""


def check_launcher(overrides: Sequence[str]) -> None:
    """Look at the launcher that a command line chooses.

    Raises:
        ExtraMissing: if what it builds on isn't installed, naming the extra that brings it.
    """
    for override in overrides:
        group, _, name = override.partition("=")
        if group == "hydra/launcher" and name in _NEEDS:
            package, extra = _NEEDS[name]
            from_extra(package, f"{override} starts jobs", extra)
