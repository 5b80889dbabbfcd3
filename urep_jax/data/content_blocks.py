"""Batches for the content encoder: co-occurring tracks with what is known of them, and others drawn at random."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32

from urep_jax.core.mesh import Part
from urep_jax.core.streams import numpy_stream
from urep_jax.data.co_occurrences import CoOccurrenceBatches
from urep_jax.data.epochs import BatchesByStep
from urep_jax.data.vocabulary import FIRST_ITEM, PAD


class ContentBlocks(NamedTuple):
    """Blocks as `co_occurrences.Blocks` has them, with content.

    Attributes:
        item: item-table row of the track at each place; `PAD` for none.
        playlist: which playlist each place belongs to.
        negative: rows of the tracks that a block's pairs have as negatives.
        content: of the track at each place; zeros for none.
        negative_content: of the negatives.
    """

    item: Int32[np.ndarray, "B M"]
    playlist: Int32[np.ndarray, "B M"]
    negative: Int32[np.ndarray, "B K"]
    content: Float32[np.ndarray, "B M *shape"]
    negative_content: Float32[np.ndarray, "B K *shape"]


class ContentBatches(BatchesByStep[ContentBlocks]):
    """Every batch of a training, by step.

    Args:
        blocks: of tracks that belong together.
        content: of each item of the vocabulary that the blocks are made with, in its order.
        k_negatives: K, tracks that each block draws uniformly, at least 1.

    Raises:
        ValueError: if `k_negatives` is below 1.
    """

    def __init__(
        self, blocks: CoOccurrenceBatches, content: Float32[np.ndarray, "V *shape"], k_negatives: int = 32
    ) -> None:
        if k_negatives < 1:
            raise ValueError(f"k_negatives is {k_negatives}, but must be at least 1")
        self.blocks, self.content, self.k_negatives = blocks, content, k_negatives
        self.batch_size = blocks.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one epoch."""
        return self.blocks.steps_per_epoch

    def read(self, step: int, part: Part) -> ContentBlocks:
        """Some blocks of batch `step`, counted from 0 over all epochs."""
        blocks = self.blocks.read(step, part)
        rng = numpy_stream(self.blocks.seed, "content_negatives", step)
        drawn_BxK = rng.integers(0, len(self.content), (self.batch_size, self.k_negatives))[blocks.row]
        content = self.content[np.maximum(blocks.item - FIRST_ITEM, 0)]
        content[blocks.item == PAD] = 0.0
        negative = (FIRST_ITEM + drawn_BxK).astype(np.int32)
        return ContentBlocks(blocks.item, blocks.playlist, negative, content, self.content[drawn_BxK])

    def sequence_ids(self, step: int) -> list[str]:
        """The source's ids of the playlists in batch `step`, for messages."""
        return self.blocks.sequence_ids(step)
