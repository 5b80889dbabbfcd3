"""Notebooks, executed as they are."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "experiments" / "notebooks"


def execute(name: str, run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a notebook on a run's folder; returns what it printed. It draws a figure, and warns of nothing."""
    monkeypatch.setenv("UREP_RUN", str(run_folder))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    return "".join(output.get("text", "") for output in outputs)
