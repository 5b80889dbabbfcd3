"""Principal components: what a linear autoencoder of the same width and weights would make of users."""

import dataclasses

import numpy as np
from jaxtyping import Float, Float32
from sklearn.decomposition import PCA


@dataclasses.dataclass(frozen=True, eq=False)
class Components:
    """Principal components of weighted features.

    Attributes:
        pca: of features times the roots of their weights, so that squares weigh as they do in Eq. 2.
        root_F: these roots.
    """

    pca: PCA
    root_F: Float32[np.ndarray, "F"]

    def of(self, x: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N Z"]:
        """Vectors of users."""
        vectors: Float32[np.ndarray, "N Z"] = self.pca.transform(x * self.root_F).astype(np.float32)
        return vectors

    def back(self, x: Float32[np.ndarray, "N F"]) -> Float32[np.ndarray, "N F"]:
        """What comes back of x; of features that weigh nothing, nothing does."""
        weighted = self.pca.inverse_transform(self.pca.transform(x * self.root_F))
        return np.divide(weighted, self.root_F, out=np.zeros_like(x), where=self.root_F > 0)


def principal_components(
    train: Float32[np.ndarray, "N F"], weights: Float[np.ndarray, "F"], width: int, seed: int
) -> Components:
    """PCA of the autoencoder's width, fitted to what it learns from, with its weights."""
    root_F = np.sqrt(weights).astype(np.float32)
    return Components(PCA(min(width, *train.shape), random_state=seed).fit(train * root_F), root_F)
