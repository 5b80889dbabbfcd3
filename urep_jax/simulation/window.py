"""`Window`: the time that a world is simulated over."""

from urep_jax.core.types import SECONDS_PER_DAY


class Window:
    """What follows from the fields `start`, the first second since 1970 (UTC), and `num_days`."""

    start: int
    num_days: int

    @property
    def end(self) -> int:
        """First second after the window, seconds since 1970, UTC."""
        return self.start + self.num_seconds

    @property
    def num_seconds(self) -> int:
        """Length of the window in seconds."""
        return self.num_days * SECONDS_PER_DAY
