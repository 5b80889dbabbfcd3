"""`requirements.lock`, from which CI installs: does it still serve what `pyproject.toml` asks for?"""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def lock() -> dict[Requirement, int]:
    """What is pinned, with the number of its hashes."""
    lines = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    entries = [line.split("--hash=") for line in lines if line and not line.lstrip().startswith("#")]
    return {Requirement(entry[0].strip()): len(entry) - 1 for entry in entries}


def test_every_pin_is_exact_and_has_hashes() -> None:
    pins = lock()
    assert len(pins) > 50
    assert all(hashes and str(pin.specifier).startswith("==") for pin, hashes in pins.items())


@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_lock_serves_the_project_and_its_tests(python: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, [*project["dependencies"], *project["optional-dependencies"]["dev"]])
    environment = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}
    pinned = {
        pin.name.lower(): next(iter(pin.specifier)).version
        for pin in lock()
        if pin.marker is None or pin.marker.evaluate(environment)
    }
    missing = [str(want) for want in wanted if pinned.get(want.name.lower(), "") not in want.specifier]
    assert not missing, "write the lock file anew, as CONTRIBUTING tells"
