"""The launcher for Ray. Hydra looks for launchers in packages of this name only."""

from experiments.on_ray import OnRay


class RayLauncher(OnRay):
    """See there."""
