"""What became of each listener, for `users.parquet`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from experiments.long_term_satisfaction.judged import Judged
from experiments.long_term_satisfaction.worlds import Worlds


def listeners_table(worlds: Worlds, seeds: Sequence[int], judged: Mapping[str, Mapping[str, Judged]]) -> pa.Table:
    """One row for each listener who was followed.

    | column | holds |
    |---|---|
    | `user_id` | the world's seed, and the listener's number there |
    | `model/total_satisfaction/AGENT` | weeks of satisfaction with an agent, of who was there when it trained |
    | `new_listeners/...`, `new_items/...` | the same in these circumstances; null for who wasn't followed in them |

    Args:
        worlds: of the run.
        seeds: of the worlds.
        judged: what became of them, by the name of the circumstances and that of the agent.
    """
    ids: dict[str, int] = {}
    for places in worlds.judging.values():
        for seed, place in zip(seeds, places, strict=True):
            for who in place.listeners:
                ids.setdefault(f"{seed}/{who}", len(ids))
    columns: dict[str, pa.Array] = {"user_id": pa.array(list(ids))}
    for circumstances, of_agents in judged.items():
        places = worlds.judging[circumstances]
        rows = [ids[f"{seed}/{who}"] for seed, place in zip(seeds, places, strict=True) for who in place.listeners]
        for agent, one in of_agents.items():
            value_U = np.full(len(ids), np.nan)
            value_U[rows] = np.concatenate([found.total_satisfaction for found in one.outcomes])
            name = "model" if circumstances == "known" else circumstances
            column = pa.array(value_U.astype(np.float32), mask=np.isnan(value_U))
            columns[f"{name}/total_satisfaction/{agent}"] = column
    return pa.table(columns)
