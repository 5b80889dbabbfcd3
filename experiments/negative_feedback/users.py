"""Every tested user's results: what paired intervals and results by kind of user are made from later."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from experiments.negative_feedback.protocols import Results
from urep_jax.data.cases import Cases
from urep_jax.data.log import EventLog
from urep_jax.evaluation.kinds_of_users import past_feedback


def users_table(log: EventLog, cases: Cases, results: Mapping[str, Results]) -> pa.Table:
    """One row for each tested user.

    | column | holds |
    |---|---|
    | `user_id` | the log's id |
    | `ups`, `downs`, `skips` | how many the model could have read of the user |
    | `MODEL/METRIC` | a result, `model` for the model's own; null where the user has none |
    """
    user_U, counts_Ux3 = past_feedback(log, cases)
    columns: dict[str, pa.Array] = {"user_id": log.sequence_ids.take(user_U)}
    columns |= {name: pa.array(counts_Ux3[:, i]) for i, name in enumerate(("ups", "downs", "skips"))}
    for model, found in results.items():
        for metric, result in found.items():
            place = np.searchsorted(user_U, result.user)
            value_U = np.full(len(user_U), np.nan)
            value_U[place] = result.values
            columns[f"{model}/{metric}"] = pa.array(value_U.astype(np.float32), mask=np.isnan(value_U))
    return pa.table(columns)
