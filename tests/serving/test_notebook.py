"""The notebook of a restored recommender; and what is kept of notebooks."""

from pathlib import Path

import nbformat
import pytest

from tests.notebooks import FOLDER, execute


def test_the_notebook_runs(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "asked about" in execute("restore.ipynb", run_folder, monkeypatch)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.cell_type != "code" or (not cell.outputs and cell.execution_count is None)
