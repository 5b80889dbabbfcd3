"""The house rules that no linter knows, read from the sources."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
packages_distributions = functools.cache(metadata.packages_distributions)
ROOMS = (
    *("core", "simulation", "data", "models", "losses", "metrics"),
    *("training", "evaluation", "baselines", "lineage", "serving", "agents"),
)
"""A room imports from itself and from the rooms before it."""

LIBRARY = sorted((ROOT / "urep_jax").rglob("*.py"))
PRODUCT = [*LIBRARY, *sorted((ROOT / "experiments").rglob("*.py"))]

CAN_RUN_WHAT_THEY_READ = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}

# A letter in brackets keeps a pattern from finding itself.
NOT_OURS_TO_TELL = {
    "a package registry's host": r"pypi\.org|pythonhosted\.org|npmjs\.(org|com)|debian\.org",
    "a path of one machine": r"/wor[k]/|/roo[t]/|/hom[e]/\w|/User[s]/\w|/op[t]/",
    "a folder that only CI has": r"\.\./share[d]",
}


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import; this house names its rooms"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room(module: str) -> str | None:
    """The room of a module of ours; None for others' modules, and for the flat list in `urep_jax/__init__.py`."""
    parts = module.split(".")
    return parts[1] if parts[0] == "urep_jax" and len(parts) > 1 and (ROOT / "urep_jax" / parts[1]).is_dir() else None


def uphill(source: str, home: str) -> list[str]:
    """Imports of a file in the room `home` that its place in the house forbids."""
    allowed = ROOMS[: ROOMS.index(home) + 1]
    names = [(line, name) for line, name in imports(ast.parse(source)) if name.split(".")[0] == "urep_jax"]
    return [f"line {line} imports {name}" for line, name in names if room(name) not in allowed]


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in (ROOT / "urep_jax").iterdir() if (path / "__init__.py").is_file()}
    assert folders <= set(ROOMS), "a new room has a place in ROOMS, and in the README's architecture"


def test_imports_only_go_up_the_list_of_rooms() -> None:
    files = [path for path in LIBRARY if path.parent.name != "urep_jax"]
    wrong = {path: uphill(path.read_text(), path.relative_to(ROOT / "urep_jax").parts[0]) for path in files}
    assert files
    assert not {str(path.relative_to(ROOT)): lines for path, lines in wrong.items() if lines}


def test_an_import_down_the_list_is_seen() -> None:
    hidden = "def f():\n    from urep_jax.models import transformer\n"
    assert uphill(hidden, "data") == ["line 2 imports urep_jax.models.transformer"]
    assert uphill("import urep_jax\n", "data") == ["line 1 imports urep_jax"]
    assert not uphill("from urep_jax.core import types\nimport numpy\n", "data")


def importers(path: Path, packages: set[str]) -> list[str]:
    """Where a file imports one of these packages."""
    found = [(line, name) for line, name in imports(ast.parse(path.read_text())) if name.split(".")[0] in packages]
    return [f"{path.relative_to(ROOT)}:{line} imports {name}" for line, name in found]


def names_of(wanted: Iterable[str]) -> set[str]:
    """The packages that requirements name."""
    return {re.split(r"[^\w-]", one)[0].lower() for one in wanted}


def undeclared(source: str, project: dict[str, Any]) -> set[str]:
    """Packages that a file imports without a word of it; inside a function it may be one that an extra brings."""
    tree = ast.parse(source)
    needed = names_of(project["dependencies"])
    extras = needed.union(
        *(names_of(brought) for name, brought in project["optional-dependencies"].items() if name != "dev")
    )
    everywhere = {name.split(".")[0] for _, name in imports(tree)}
    at_once = {
        name.split(".")[0]
        for node in tree.body
        for _, name in imports(ast.Module([node], []))
        if not isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    ours = {*sys.stdlib_module_names, "urep_jax", "experiments"}
    distributions = packages_distributions()
    return {
        package
        for package in everywhere - ours
        if not (needed if package in at_once else extras).intersection(
            d.lower() for d in distributions.get(package, [])
        )
    }


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    missing = {path.name: found for path in PRODUCT if (found := undeclared(path.read_text(), project))}
    assert not missing, "add them to the dependencies in pyproject.toml"
    inside = "def f():\n    import lightfm\n"
    assert not undeclared(inside, project)
    assert undeclared("import lightfm\n", project) == {"lightfm"}, "not everybody has what an extra brings"
    assert undeclared("def f():\n    import pandas\n", project) == {"pandas"}


def test_only_experiments_knows_hydra() -> None:
    assert not [line for path in LIBRARY for line in importers(path, {"hydra", "omegaconf"})]


def test_only_models_knows_flax() -> None:
    others = [path for path in PRODUCT if ROOT / "urep_jax" / "models" not in path.parents]
    assert not [line for path in others for line in importers(path, {"flax"})]


def test_nothing_that_is_read_is_run() -> None:
    """No pickles in any form, and no `eval` or `exec`: data and checkpoints come from strangers."""
    assert not [line for path in PRODUCT for line in importers(path, CAN_RUN_WHAT_THEY_READ)]
    assert not [f"{path.relative_to(ROOT)}:{line}" for path in PRODUCT for line in risky_calls(path.read_text())]


def risky_calls(source: str) -> list[int]:
    """Lines that call `eval` or `exec`, or NumPy's `load` without `allow_pickle=False`."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        pickles = {ast.unparse(keyword.value) for keyword in node.keywords if keyword.arg == "allow_pickle"}
        if called in ("eval", "exec") or (called in ("np.load", "numpy.load", "jnp.load") and pickles != {"False"}):
            lines.append(node.lineno)
    return lines


def test_risky_calls_are_seen() -> None:
    source = "eval('1')\nnp.load(p)\nnp.load(p, allow_pickle=True)\nnp.load(p, allow_pickle=False)\nmodel.eval()\n"
    assert risky_calls(source) == [1, 2, 3]


def repository() -> Iterator[tuple[str, str]]:
    """Name and text of every file that is, or may be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data:
            yield name, data.decode()


def test_nothing_tells_of_the_machine_it_was_written_on() -> None:
    texts = dict(repository())
    assert {"pyproject.toml", "requirements.lock", "urep_jax/__init__.py"} <= texts.keys()
    for what, pattern in NOT_OURS_TO_TELL.items():
        told = {name: re.findall(f"(?m)^.*(?:{pattern}).*$", text) for name, text in texts.items()}
        if what == "a folder that only CI has":
            del told[".ci/run"]
        assert not {name: lines for name, lines in told.items() if lines}, what


def test_no_file_outgrows_its_room() -> None:
    long = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in PRODUCT}
    assert not {path: lines for path, lines in long.items() if lines > 400}, "is it still one noun or verb? split it"


def test_tensorflow_is_never_imported(tmp_path: Path) -> None:
    """Not by any of our modules, nor by preparing a data set, even where TensorFlow is installed."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')\n")
    (tmp_path / "logs.csv").write_text("user_id,item_id,timestamp,feedback\nann,a,1,up\nann,b,2,skip\n")
    (tmp_path / "prepare_a_data_set.py").write_text(
        """
import importlib, pathlib, pkgutil
import urep_jax
for module in pkgutil.walk_packages(urep_jax.__path__, "urep_jax."):
    importlib.import_module(module.name)
from urep_jax.data.datasets.interactions import InteractionsConfig
from urep_jax.data.prepare import prepare
here = pathlib.Path(__file__).parent  # the first place where Python looks for tensorflow
print(prepare(InteractionsConfig(path=here / "logs.csv"), here).num_events, "events")
"""
    )
    call = [sys.executable, str(tmp_path / "prepare_a_data_set.py")]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 events\n"
