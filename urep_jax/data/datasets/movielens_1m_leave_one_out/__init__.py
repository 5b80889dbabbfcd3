"""MovieLens-1M with the leave-one-out split that the gSASRec paper published."""

from urep_jax.data.datasets.movielens_1m_leave_one_out.movielens_1m_leave_one_out_dataset_builder import (
    Builder,
    Movielens1mLeaveOneOutConfig,
)
from urep_jax.data.datasets.movielens_1m_leave_one_out.published_split import PublishedSplit

__all__ = ["Builder", "Movielens1mLeaveOneOutConfig", "PublishedSplit"]
