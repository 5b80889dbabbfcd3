"""What hard negatives cost: one thing against another."""

from pathlib import Path

from experiments.report.claims.hard_negatives import FRONTIER, undominated


def numbers(points: dict[str, tuple[float, float]]) -> dict[str, object]:
    """Of three runs each, without a spread."""
    metrics = ("mrr_up", "pair_accuracy")
    return {"curve": {m: {p: [values[i], 0.01, 3] for p, values in points.items()} for i, m in enumerate(metrics)}}


def test_those_stay_that_no_other_is_ahead_of_in_both() -> None:
    points = {"0": (0.2, 0.6), "0.1": (0.3, 0.65), "0.5": (0.1, 0.7), "1": (0.1, 0.69), "twin": (0.3, 0.65)}
    assert undominated({name: (across, 0.0, up, 0.0) for name, (across, up) in points.items()}) == [
        "0.1",
        "0.5",
        "twin",
    ]


def test_pairs_and_ranks_are_told_and_drawn_against_each_other(tmp_path: Path) -> None:
    seen = {
        "radio": numbers({"0": (0.2, 0.6), "1": (0.1, 0.7)}),
        "films": numbers({"0": (0.1, 0.6), "1": (0.2, 0.7)}),
    }
    told = FRONTIER.tell(seen)
    assert "| radio | 0, 1 |" in told
    assert "| films | 1 |" in told
    assert "| films | 1 | 3 | .2000 ±.0100 | .700 ±.010 |" in told
    assert FRONTIER.draw is not None
    FRONTIER.draw(seen, tmp_path / "both.svg")
    assert {"radio", "films", "reciprocal rank of ups"} <= set(
        (tmp_path / "both.svg").read_text().replace("<", ">").split(">")
    )
    assert FRONTIER.measure([]) is None
