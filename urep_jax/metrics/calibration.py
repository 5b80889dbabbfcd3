"""`Calibration`: how often what is said to happen with some chance does happen."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float, Float64


def equal_mass_edges(chance: Float[np.ndarray, "N"], bins: int) -> Float64[np.ndarray, "E"]:
    """Chances between which equally many of these lie: the inner edges of so many bins.

    Raises:
        ValueError: if `bins` is below 1, or there are no chances.
    """
    if bins < 1 or not len(chance):
        raise ValueError(f"bins is {bins} of {len(chance)} chances, but both must be at least 1; ask for fewer bins")
    return np.quantile(np.asarray(chance, np.float64), np.arange(1, bins) / bins)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Calibration:
    """Chances and what happened, by bins of chance, kept as sums that add up.

    Attributes:
        chance: sum of the chances in each bin.
        happened: how often it happened.
        count: how many there are.
    """

    chance: Float64[np.ndarray, "G"]
    happened: Float64[np.ndarray, "G"]
    count: Float64[np.ndarray, "G"]

    @classmethod
    def empty(cls, bins: int) -> "Calibration":
        """The state of no chances."""
        return cls(np.zeros(bins), np.zeros(bins), np.zeros(bins))

    @classmethod
    def from_batch(
        cls,
        chance: Float[np.ndarray, "N"],
        happened: Bool[np.ndarray, "N"] | Float[np.ndarray, "N"],
        edges: Float[np.ndarray, "E"],
    ) -> "Calibration":
        """The state of one batch.

        Args:
            chance: that was said of each, 0 to 1.
            happened: whether it did, or the chance with which it does where that is known.
            edges: inner edges of the bins, rising; the same for all batches.
        """
        bins = len(edges) + 1
        bin_N = np.searchsorted(edges, chance, side="right")

        def sums(values: np.ndarray) -> np.ndarray:
            return np.bincount(bin_N, weights=values, minlength=bins).astype(np.float64)

        return cls(sums(chance), sums(happened), sums(np.ones(len(chance))))

    def merge(self, other: "Calibration") -> "Calibration":
        """The state of both states' chances."""
        both = (self.chance + other.chance, self.happened + other.happened, self.count + other.count)
        return Calibration(*both)

    def curve(self) -> tuple[Float64[np.ndarray, "G"], Float64[np.ndarray, "G"]]:
        """Mean chance and share that happened in each bin (reliability diagram); NaN for a bin with nothing in it."""
        return _divided(self.chance, self.count), _divided(self.happened, self.count)

    def compute(self) -> float:
        r"""The expected calibration error; NaN if there are no chances.

        .. math:: \sum_g \frac{n_g}{n} |\overline{p}_g - \overline{y}_g|

        It is never negative, so that of n perfect chances it is about :math:`\sqrt{2 G \overline{p}(1 - \overline{p})
        / (\pi n)}` with G bins, not 0.

        Source: Naeini et al. 2015; with bins of equal mass, Nixon et al. 2019.
        """
        total = float(self.count.sum())
        return float(np.abs(self.chance - self.happened).sum()) / total if total else float("nan")

    def resolution(self) -> float:
        r"""Share of the variance of what happened that the chances tell apart, 0 to 1; NaN if all or nothing happened.

        .. math:: \sum_g \frac{n_g}{n} (\overline{y}_g - \overline{y})^2 / \overline{y} (1 - \overline{y})

        The same chance of everything is calibrated, and tells nothing: 0.

        Source: Murphy 1973, "A new vector partition of the probability score".
        """
        total = float(self.count.sum())
        mean = float(self.happened.sum()) / total if total else float("nan")
        if not 0 < mean < 1:
            return float("nan")
        _, share_G = self.curve()
        return float(np.nansum(self.count * (share_G - mean) ** 2)) / total / (mean * (1 - mean))


def _divided(total_G: np.ndarray, count_G: np.ndarray) -> np.ndarray:
    return np.divide(total_G, count_G, out=np.full(len(total_G), np.nan), where=count_G > 0)
