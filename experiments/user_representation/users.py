"""Every user's results: what paired intervals are made from later."""

import numpy as np
import pyarrow as pa

from experiments.user_representation.sources import People
from experiments.user_representation.tasks import Results
from urep_jax.data.log import EventLog


def users_table(log: EventLog, people: People, results: Results) -> pa.Table:
    """One row for each user that some task has a result of.

    | column | holds |
    |---|---|
    | `user_id` | the log's id |
    | `part` | 0, 1 or 2: whether the user trains, validates or tests |
    | `TASK/REPRESENTATION/METRIC` | a result; null where the user has none |
    """
    tested = (one.user for found in results.values() for one in found.values())
    user_U = np.unique(np.concatenate([np.zeros(0, np.int64), *tested]))
    columns: dict[str, pa.Array] = {
        "user_id": log.sequence_ids.take(user_U),
        "part": pa.array(people.part[user_U]),
    }
    for name, found in results.items():
        for metric, result in found.items():
            value_U = np.full(len(user_U), np.nan)
            value_U[np.searchsorted(user_U, result.user)] = result.values
            columns[f"{name}/{metric}"] = pa.array(value_U.astype(np.float32), mask=np.isnan(value_U))
    return pa.table(columns)
