"""Flags and overrides are told from each other, in whatever order they come."""

from pathlib import Path

import pytest

from experiments.arguments import ArgumentsError, read_arguments


@pytest.mark.parametrize(
    ("words", "overrides", "flags"),
    [
        ([], [], []),
        (["p_hard=0", "seed=1"], ["p_hard=0", "seed=1"], []),
        (["-m", "p_hard=0", "seed=0,1"], ["p_hard=0", "seed=0,1"], ["-m"]),
        (
            ["p_hard=0", "--cfg", "job", "+a=1", "--resolve", "~b"],
            ["p_hard=0", "+a=1", "~b"],
            ["--cfg", "job", "--resolve"],
        ),
        (["p_hard=0", "-cn", "config", "p_hard=1"], ["p_hard=0", "p_hard=1"], ["-cn", "config"]),
    ],
)
def test_flags_and_overrides(words: list[str], overrides: list[str], flags: list[str]) -> None:
    assert read_arguments(words) == (overrides, flags, None)


def test_a_folder_of_configs(tmp_path: Path) -> None:
    flags = ["--config-dir", str(tmp_path)]
    assert read_arguments(["data=mine", *flags, "seed=1"]) == (["data=mine", "seed=1"], flags, tmp_path)
    with pytest.raises(ArgumentsError, match="nowhere', which is no folder"):
        read_arguments(["--config-dir", str(tmp_path / "nowhere")])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["seed=0", "--config-dir"], "--config-dir/-cd: expected one argument"),
        (["seed=0,", "1"], "'1' sets no knob; write KNOB=VALUE"),
        (["--confg-dir", "x"], "no flag --confg-dir"),
    ],
)
def test_words_that_are_neither(words: list[str], told: str) -> None:
    with pytest.raises(ArgumentsError, match=told):
        read_arguments(words)
