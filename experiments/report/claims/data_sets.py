"""What the data sets are, and whom a model reaches on them."""

from collections.abc import Sequence

from experiments.report.claims.claim import Claim, Numbers, Seen
from experiments.report.runs import Run
from experiments.tables import markdown_table
from urep_jax.data.stats import Table1, format_table1

_INPUTS = ("up", "up_down", "up_skip", "up_down_skip")


def _measure_table_1(runs: Sequence[Run]) -> Numbers | None:
    found: Numbers = runs[0].json("table1.json")
    return found


def _tell_table_1(seen: Seen) -> str:
    tables = (Table1(**{**found, "feedback_types": tuple(found["feedback_types"])}) for found in seen.values())
    return format_table1(*tables)


TABLE_1 = Claim(
    "table_1",
    "Table 1: the data sets",
    "ups : skips : downs are 1.1:0:1 (Piki), 1:0.9:0 (Spotify) and 4:13:1 (Pandora); 32 % of Pandora's users and "
    "37 % of Spotify's give no up.",
    _measure_table_1,
    _tell_table_1,
)


def _measure_coverage(runs: Sequence[Run]) -> Numbers | None:
    metrics = runs[0].metrics
    if f"coverage/{_INPUTS[0]}" not in metrics:
        return None
    return {inputs: metrics[f"coverage/{inputs}"] for inputs in _INPUTS}


def _tell_coverage(seen: Seen) -> str:
    table = [["", *(inputs.replace("_", ", ") for inputs in _INPUTS)]]
    table += [[name, *(f"{found[inputs]:.1%}" for inputs in _INPUTS)] for name, found in seen.items()]
    return (
        f"{markdown_table(table)}\n\nShare of the users with any past of whom a model with these inputs can read "
        "something."
    )


COVERAGE = Claim(
    "coverage",
    "§5.1: whom a model reaches, by its inputs",
    "skips as inputs let the model serve 50 % (Pandora) and 37 % (Spotify) more users.",
    _measure_coverage,
    _tell_coverage,
)
