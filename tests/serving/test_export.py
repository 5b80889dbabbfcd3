"""What was exported gives what the model gives, where neither Flax nor our models can be imported."""

import dataclasses
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.user_features.listeners import log_of, tables
from tests.programs import fake_devices
from tests.serving.harms import flip, foreign, forge, less, link_out, other_parameters, pickled, truncate
from tests.serving.test_recommender import EVENTS, recommender
from tests.serving.test_user_encoder import TIME, USERS, encoder_of
from tests.serving.tiny import ROOT
from urep_jax.core import extras
from urep_jax.core.extras import ExtraMissing
from urep_jax.data.sequences import SequenceConfig
from urep_jax.data.user_features.features import user_features
from urep_jax.data.vocabulary import FIRST_ITEM, PAD, UNKNOWN, load_vocabulary
from urep_jax.evaluation.model_scorer import encode_questions
from urep_jax.serving import export
from urep_jax.serving.exported import load_exported
from urep_jax.serving.questions import questions
from urep_jax.serving.recommender import Recommender

MODELS = {
    "plain": {},
    "all that it can read": {"item_bias": True, "distance": True, "device": True, "hour": True},
    # Before it is trained, nothing is added to what is folded in.
    "fold_in": {"item_bias": True, "fold_in": True},
}
SIZES = (1, 3, 64)


def sasrec() -> Recommender:
    model = recommender(attention="causal", feedback=False)
    return dataclasses.replace(model, sequences=SequenceConfig(8, ("up",), p_hard=0, tasks="next"))


def asked(model: Recommender, listeners: int) -> dict[str, np.ndarray]:
    """The columns of a batch of questions; everybody's history is another one's cut short."""
    events = [{name: values[place % 7 :] for name, values in EVENTS.items()} for place in range(listeners)]
    stations = [("jazz", "rock", None)[place % 3] for place in range(listeners)]
    batch = questions(events, stations, model.vocabulary, model.sequences, timed=model.cfg.hour).batch
    return {name: values[:listeners] for name, values in batch._asdict().items()}


def vectors(model: Recommender, listeners: int) -> np.ndarray:
    batch = questions([EVENTS], [None], model.vocabulary, model.sequences).batch._replace(**asked(model, listeners))
    return encode_questions(model.params, model.cfg, iter([batch]))


@functools.cache
def x_u() -> np.ndarray:
    """Raw features: NaN where nothing is known, on scales of their own."""
    features = encoder_of().features
    x_NxF = user_features(features.read(log_of(0), tables(0)), USERS, TIME, features.cfg)
    assert np.isnan(x_NxF).any()
    return x_NxF


@functools.cache
def z_u() -> np.ndarray:
    encoder = encoder_of()
    return encoder.encode(encoder.features.read(log_of(0), tables(0)), USERS, TIME).values


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "users"
    export.export_encoder(encoder_of(), folder)
    return folder


@pytest.fixture(scope="module")
def recommender_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports") / "tracks"
    export.export_recommender(recommender(), folder)
    return folder


WITHOUT_MODELS = """
import json, sys
for blocked in ("flax", "urep_jax.models", "urep_jax.training", "urep_jax.data"):
    sys.modules[blocked] = None
import numpy as np
from urep_jax.serving.exported import load_exported
made = {}
with np.load(sys.argv[1], allow_pickle=False) as given:
    for place, folder in enumerate(sys.argv[3:]):
        model = load_exported(folder)
        for size in sorted({name.split("/")[1] for name in given.files}, key=int):
            program = model.programs["encode"]
            vector = model(**{name: given[f"{place}/{size}/{name}"] for name in program.inputs})
            made[f"{place}/{size}"] = vector
            if "score" in model.programs:
                made[f"{place}/{size}/score"] = model.programs["score"](query=vector, item=given[f"{place}/{size}/row"])
np.savez(sys.argv[2], allow_pickle=False, **made)
import jax
print(jax.device_count(), *sorted(name for name in sys.modules if name.startswith("urep_jax")))
"""


def test_a_process_without_our_models_gets_what_they_give(
    tmp_path: Path, encoder_folder: Path, recommender_folder: Path
) -> None:
    model = recommender()
    rows = {size: np.arange(size * 20, dtype=np.int32).reshape(size, 20) * 7 % 20 + FIRST_ITEM for size in SIZES}
    given = {f"0/{size}/x_u": x_u()[np.arange(size) % 24] for size in SIZES}
    for size in SIZES:
        given |= {f"1/{size}/{name}": values for name, values in asked(model, size).items()}
        given[f"1/{size}/row"] = rows[size]
    np.savez(tmp_path / "given.npz", allow_pickle=False, **given)
    call = [sys.executable, "-c", WITHOUT_MODELS, *(str(tmp_path / f"{name}.npz") for name in ("given", "made"))]
    env = os.environ | fake_devices(4)
    done = subprocess.run(
        [*call, str(encoder_folder), str(recommender_folder)], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    ours = ("core", "core.extras", "serving", "serving.exported")
    blocked = ("data", "models", "training")
    assert done.stdout.split() == ["4", "urep_jax", *(f"urep_jax.{name}" for name in sorted((*ours, *blocked)))]
    with np.load(tmp_path / "made.npz", allow_pickle=False) as made:
        for size in SIZES:
            np.testing.assert_allclose(made[f"0/{size}"], z_u()[np.arange(size) % 24], rtol=1e-6, atol=1e-6)
            expected = vectors(model, size)
            np.testing.assert_allclose(made[f"1/{size}"], expected, rtol=1e-6, atol=1e-6)
            items = np.asarray(model.params["tables"]["item"])[rows[size]]
            scores = np.einsum("bd,bmd->bm", expected, items)
            np.testing.assert_allclose(made[f"1/{size}/score"], scores, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*MODELS, "sasrec"])
def test_every_kind_of_recommender_is_exported(name: str, tmp_path: Path) -> None:
    model = sasrec() if name == "sasrec" else recommender(**MODELS[name])
    export.export_recommender(model, tmp_path / "tracks")
    loaded = load_exported(tmp_path / "tracks")
    read = {"item", "station", "feedback", "task"} | ({"device", "hour"} if model.cfg.device else set())
    assert loaded.programs["encode"].inputs.keys() == read
    columns = asked(model, 1)
    made = loaded(**{name: columns[name] for name in loaded.programs["encode"].inputs})
    np.testing.assert_allclose(made, vectors(model, 1), rtol=1e-6, atol=1e-6)
    ranking = model.rank(EVENTS, ["i4", "i7", "i1"], "jazz")
    rows = load_vocabulary(tmp_path / "tracks" / "vocabulary").item_rows(pa.array(ranking.items))
    scores = loaded.programs["score"](query=model.encode(EVENTS, "jazz")[None], item=rows[None])
    np.testing.assert_allclose(scores[0], ranking.scores, rtol=1e-6, atol=1e-6)


@settings(max_examples=30)
@given(size=st.integers(1, 64), candidates=st.integers(1, 9), seed=st.integers(0, 9))
def test_the_size_of_a_batch_changes_no_row(
    encoder_folder: Path, recommender_folder: Path, size: int, candidates: int, seed: int
) -> None:
    shapes: list[tuple[int, ...]] = []

    def told(program: Any) -> Any:
        def call(filled: dict[str, np.ndarray]) -> jax.Array:
            shapes.extend(value.shape for value in filled.values())
            return program._call(filled)

        return dataclasses.replace(program, _call=call)

    rng = np.random.default_rng(seed)
    encode, score = (
        told(_loaded(encoder_folder).programs["encode"]),
        told(_loaded(recommender_folder).programs["score"]),
    )
    users = rng.integers(0, 24, size)
    np.testing.assert_allclose(encode(x_u=x_u()[users]), z_u()[users], rtol=1e-6, atol=1e-6)
    query_BxD, item_BxM = rng.normal(size=(size, 8)).astype("f"), rng.integers(0, 30, (size, candidates), np.int32)
    table_RxD = np.asarray(recommender().params["tables"]["item"])
    known_BxM = (item_BxM >= FIRST_ITEM) & (item_BxM < len(table_RxD))
    scores = np.einsum("bd,bmd->bm", query_BxD, table_RxD[np.where(known_BxM, item_BxM, PAD)])
    made = score(query=query_BxD, item=item_BxM)
    np.testing.assert_allclose(made, np.where(known_BxM, scores, np.nan), rtol=1e-6, atol=1e-6)
    # Few shapes are compiled, whatever comes.
    b, m = (1 << (n - 1).bit_length() for n in (size, candidates))
    assert sorted(shapes) == sorted([(b, 62), (b, 8), (b, m)])


_loaded = functools.cache(load_exported)


def test_what_is_no_item_has_no_score(recommender_folder: Path) -> None:
    score = load_exported(recommender_folder).programs["score"]
    rows = np.array([[FIRST_ITEM, UNKNOWN, PAD, FIRST_ITEM + 19, FIRST_ITEM + 20, -1]], np.int32)
    found = score(query=np.ones((1, 8), np.float32), item=rows)
    np.testing.assert_array_equal(np.isnan(found[0]), [False, True, True, False, True, True])


def test_an_export_tells_what_it_is(encoder_folder: Path, recommender_folder: Path) -> None:
    encoder, users, tracks = encoder_of(), load_exported(encoder_folder), load_exported(recommender_folder)
    assert (users.kind, tracks.kind) == ("user_encoder", "recommender")
    assert users.told["space"] == encoder.space.id
    assert users.told["spaces"] == encoder.space.ids
    assert tracks.told["space"] == recommender().space.id
    assert [group["name"] for group in users.told["features"]] == [group.name for group in encoder.features.groups]
    assert users.told["features"][-1]["columns"][1] == encoder.features.width
    assert SequenceConfig(**tracks.told["sequences"]) == recommender().sequences
    assert tracks.told["versions"]["jax"] == jax.__version__
    for model in (users, tracks):
        for name, program in model.programs.items():
            assert program.platforms == ("cpu", "cuda")
            described = model.told["programs"][name]["inputs"]
            assert described == {
                name: {"shape": ", ".join(map(str, wanted.shape)), "dtype": wanted.dtype}
                for name, wanted in program.inputs.items()
            }


def test_programs_share_the_item_table(recommender_folder: Path) -> None:
    programs = load_exported(recommender_folder).told["programs"]
    assert programs["score"]["parameters"] == ["tables/item"]
    assert "tables/item" in programs["encode"]["parameters"]
    with np.load(recommender_folder / "parameters.npz", allow_pickle=False) as stored:
        assert sorted(stored.files) == programs["encode"]["parameters"], "each once"


def test_an_export_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tracks"
    export.export_recommender(recommender(), folder)
    before = (folder / "export.json").read_text()

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(export, "save_vocabulary", full)
    for place in (folder, tmp_path / "other"):
        with pytest.raises(OSError, match="no space left"):
            export.export_recommender(sasrec(), place)
    assert [path.name for path in tmp_path.iterdir()] == ["tracks"]
    assert (folder / "export.json").read_text() == before
    load_exported(folder)
    export.export_encoder(encoder_of(), folder)
    assert load_exported(folder).kind == "user_encoder"
    assert not (folder / "vocabulary").exists(), "nothing is left of what lay there"


def test_what_is_no_export_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    for place in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(ValueError, match="holds something that is no export, which would be lost; name another"):
            export.export_encoder(encoder_of(), place)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


_OUTSIDE = {"bytes": 0, "sha256": "0"}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda f: flip(f, "parameters.npz"),
            r"parameters.npz is {.*}, but was written as .*; copy the folder whole",
        ),
        (lambda f: flip(f, "encode.stablehlo"), "encode.stablehlo is {.*}, but was written as"),
        (lambda f: truncate(f, "parameters.npz"), "parameters.npz is {'bytes': .*, but was written as {'bytes': "),
        (lambda f: truncate(f, "parameters.npz", told=True), r"parameters.npz can't be read \("),
        (lambda f: truncate(f, "encode.stablehlo", told=True), r"encode.stablehlo can't be read \("),
        (lambda f: truncate(f, "export.json"), r"export.json can't be read \(JSONDecodeError"),
        (lambda f: pickled(f, "parameters.npz", "inside"), "parameters.npz can't be read .*allow_pickle=False"),
        (lambda f: pickled(f, "parameters.npz", "itself"), "parameters.npz can't be read .*pickle"),
        (lambda f: pickled(f, "encode.stablehlo", "itself"), "encode.stablehlo can't be read"),
        (foreign, r"encode.stablehlo calls lapack_\w+, which no export of ours does"),
        (other_parameters, "encode.stablehlo reads parameters of other shapes than parameters.npz has"),
        (less, "export.json has no digest of encode.stablehlo"),
        (link_out, "names 'parameters.npz', which lies outside of the folder"),
        (lambda f: forge(f, files={"../up": _OUTSIDE}), "names '../up', which lies outside of the folder"),
        (lambda f: forge(f, files={"/etc/hostname": _OUTSIDE}), "names '/etc/hostname', which lies outside"),
        (lambda f: forge(f, programs={"../up": {}}), "has no digest of ../up.stablehlo"),
        (lambda f: forge(f, format=2), "is an export of format 2, but this version reads 1"),
        (lambda f: forge(f, versions={"jax": "99.1.2"}), r"exported by jax 99\.1\.2, but this is .*; install jax>=99"),
        (lambda f: forge(f, versions={"calling_convention": 1}), "is of calling convention 1, but jax .* reads 9 to"),
        (lambda f: forge(f, versions={"calling_convention": 999}), "export the run again: its parameters and config"),
        (lambda f: forge(f, programs=None), r"export.json can't be read \(TypeError"),
        (lambda f: (f / "export.json").write_text("[]"), r"export.json can't be read \(TypeError"),
    ],
)
def test_what_is_not_what_was_written_is_refused(
    spoil: Callable[[Path], Any], told: str, encoder_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    for path in encoder_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    load_exported(folder)
    spoil(folder)
    with pytest.raises(ValueError, match=told):
        load_exported(folder)
    assert not (folder / "trace").exists(), "nothing that was read was run"


def test_what_is_not_there_is_told(encoder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no export \(no export.json\); name a folder that task=export"):
        load_exported(tmp_path)
    (tmp_path / "export.json").write_bytes((encoder_folder / "export.json").read_bytes())
    with pytest.raises(FileNotFoundError, match=r"encode.stablehlo is missing; copy the folder whole"):
        load_exported(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({}, "encode was given nothing, but reads x_u; give each by its name"),
        ({"x_u": np.zeros((2, 62), "f"), "z": np.zeros(2)}, "encode was given x_u, z, but reads x_u"),
        ({"x_u": np.zeros((2, 62))}, r"x_u is of float64, but must be of float32; give x_u.astype\('float32'\)"),
        ({"x_u": np.zeros((2, 61), "f")}, r"x_u has the shape \(2, 61\), but must have \(b, 62\)"),
        ({"x_u": np.zeros(62, "f")}, r"x_u has the shape \(62,\), but must have \(b, 62\)"),
        ({"x_u": np.zeros((0, 62), "f")}, r"x_u has the shape \(0, 62\), but must have \(b, 62\), letters being 1 or"),
    ],
)
def test_inputs_that_do_not_fit_are_told(inputs: dict[str, np.ndarray], told: str, encoder_folder: Path) -> None:
    with pytest.raises(ValueError, match=told):
        _loaded(encoder_folder)(**inputs)


def test_inputs_that_do_not_fit_each_other_are_told(recommender_folder: Path) -> None:
    score = _loaded(recommender_folder).programs["score"]
    with pytest.raises(ValueError, match=r"query has the shape \(2, 8\), but must have \(b, 8\) with b = 3, m = 4"):
        score(query=np.zeros((2, 8), "f"), item=np.zeros((3, 4), np.int32))


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, encoder_folder: Path, tmp_path: Path) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ExtraMissing, match=r"written with flatbuffers.*No module named.*pip install -e '\.\[export\]'"):
        export.export_encoder(encoder_of(), tmp_path / "users")
    with pytest.raises(ExtraMissing, match=r"exports are read with flatbuffers"):
        load_exported(encoder_folder)
    assert not list(tmp_path.iterdir())
