"""Every config composes, and describes something that can be made."""

import dataclasses
import re
import shlex
from itertools import pairwise, product
from pathlib import Path
from typing import Any, get_args

import jax
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class, get_method, instantiate
from omegaconf import DictConfig, OmegaConf

from experiments.folder import flatten
from experiments.knobs import CONF, KnobError, check_overrides, groups, knobs_of, options
from experiments.long_term_satisfaction.settings import AGENTS
from experiments.long_term_satisfaction.settings import Settings as LongTerm
from experiments.negative_feedback.recipe import Ablation, Recipe
from experiments.user_representation.all_tasks import ALL
from experiments.user_representation.settings import Settings
from tests.data.test_sequences import whole
from tests.experiments.command import NEGATIVE, ROOT
from tests.training.tiny import tiny_log
from urep_jax.data.datasets.base import EventsConfig
from urep_jax.data.vocabulary import build_vocabulary
from urep_jax.models import transformer
from urep_jax.serving.http.limits import Limits


def composed(*overrides: str) -> DictConfig:
    """The config of a command line."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.mark.parametrize(("experiment", "data"), list(product(options("experiment"), options("data"))))
def test_every_experiment_composes_with_every_data_set(experiment: str, data: str, tmp_path: Path) -> None:
    cfg = composed(f"experiment={experiment}", f"data={data}", *([f"data.path={tmp_path}"] * (data == "interactions")))
    assert cfg.data.name == data
    source = instantiate(cfg.data.source, _convert_="all")
    assert isinstance(source, EventsConfig)
    assert cfg.data.split is None or callable(instantiate(cfg.data.split))
    assert all(callable(instantiate(entry)) for entry in (cfg.data.get("modalities") or {}).values())
    assert callable(get_method(cfg.main))
    assert set(knobs_of(experiment)) < set(cfg)


def test_every_command_that_is_printed_composes() -> None:
    texts = [ROOT / "README.md", *(ROOT / "benchmarks").rglob("*.md"), *(CONF / "experiment").glob("*.yaml")]
    commands: set[str] = set()
    for text in texts:
        printed = text.read_text().replace("\\\n", " ")
        commands |= set(re.findall(r"python -m experiments\.run([^`\n)]*)", printed))
    # Configs of one's own have a test of their own, and loops of a shell name what they go over.
    whole = [one for one in commands if "data=mine" not in one and "$data" not in one]
    assert len(whole) > 50
    for command in whole:
        words = shlex.split(re.sub(r"\$world|\$seed|WORLD|SEED", "0", command), comments=True)
        overrides = [word.strip(",.;:") for word in words if "=" in word and not word.startswith("--")]
        check_overrides(overrides)
        # Of a sweep the first.
        composed(*(re.sub(r"^([\w./]+=[\w.-]+),.*", r"\1", override) for override in overrides))


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_knob_is_an_empty_mapping(file: Path) -> None:
    # Nothing could be put into it: Hydra refuses keys that aren't there.
    def empty(node: Any) -> bool:
        return isinstance(node, dict) and (not node or any(map(empty, node.values())))

    whole = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    assert isinstance(whole, dict)
    assert not any(map(empty, whole.values()))


@pytest.mark.parametrize("data", options("data"))
def test_all_that_a_data_set_can_be_told_is_in_its_config(data: str) -> None:
    for node in (composed(f"data={data}").data.source, composed("data=interactions").data.source.text):
        assert set(node) - {"_target_"} == {field.name for field in dataclasses.fields(get_class(node._target_))}


@pytest.mark.parametrize(
    ("group", "option"), [(g, option) for g in groups() if g != "experiment" for option in options(g)], ids="=".join
)
def test_every_option_makes_a_recipe_and_its_model_or_a_chain(group: str, option: str) -> None:
    systems = ("negative_feedback", "user_representation", "long_term_satisfaction")
    fitting = [name for name in systems if _fits(name, group, option)]
    assert fitting
    if fitting == ["long_term_satisfaction"]:
        values = OmegaConf.load(CONF / group / f"{option}.yaml").hydra.sweeper.params
        for knob, swept in values.items():
            for value in [swept] if str(swept).startswith("[") else str(swept).split(","):
                agents = LongTerm.from_config(composed("experiment=long_term_satisfaction", f"{knob}={value}"))
                assert set(agents.agents) <= set(AGENTS)
    if "user_representation" in fitting:
        settings = Settings.from_config(composed("experiment=user_representation", f"{group}={option}"))
        assert settings.model.width == 120
    if "negative_feedback" not in fitting:
        return
    cfg = composed(NEGATIVE, f"{group}={option}")
    log = tiny_log()
    recipe = Recipe.from_config(cfg).sized_for(build_vocabulary(log, whole(log)))
    params = jax.eval_shape(lambda key: transformer.init(key, recipe.model), jax.random.key(0))
    assert params["tables"]["item"].shape[-1] == cfg.model.width + cfg.model.item_bias
    assert recipe.without("negative_feedback").sequences.p_hard == 0


def test_all_that_a_service_puts_up_with_is_in_its_config() -> None:
    limits = composed("task=serve").serving.limits
    assert set(limits) == {field.name for field in dataclasses.fields(Limits)}
    assert Limits(**limits) == Limits()


def _fits(experiment: str, group: str, option: str) -> bool:
    given = [f"experiment={experiment}", f"{group}={option}"]
    try:
        check_overrides(given)
    except KnobError:
        with pytest.raises(KnobError, match=f"{group}={option} is not for experiment={experiment}"):
            check_overrides(given)
        return False
    return True


@pytest.mark.parametrize(
    ("option", "differs"),
    [
        ("recipe=gsasrec", "baselines, inputs, k_negatives, loss, p_hard"),
        ("sweep=k_negatives", "baselines, k_negatives, p_hard"),
        ("model=transformer", r"model\.attention, model\.blocks"),
        ("train=transformer", r"train\.average"),
    ],
)
def test_another_systems_option_is_refused_by_what_differs(option: str, differs: str) -> None:
    with pytest.raises(
        KnobError, match=f"{option} is not for experiment=user_representation: they differ in {differs}"
    ):
        check_overrides(["experiment=user_representation", option])


def test_another_systems_knob_of_the_data_is_refused() -> None:
    with pytest.raises(KnobError, match=r"data\.split is a value, null by default"):
        check_overrides(["experiment=user_representation", "data.split.test_days=3"])
    with pytest.raises(KnobError, match=r"data\.modalities is a value, null by default"):
        check_overrides([NEGATIVE, "data=streaming", "data.modalities.audio.width=3"])
    with pytest.raises(ValueError, match=r"data\.protocol is pairs, but .* leave it null"):
        Settings.from_config(composed("experiment=user_representation", "data.protocol=pairs"))


def test_an_entry_that_changes_one_knob_of_several_leaves_the_others() -> None:
    check_overrides(["experiment=user_representation_every_task", "evaluation.days=30"])
    both = [composed(f"experiment=user_representation{name}").evaluation for name in ("", "_every_task")]
    assert both[0].tasks == ["future_listening", "cold_start", "clusters"]
    assert both[1].tasks == [name for name in ALL if name not in ("freshness", "retraining")], (
        "which have experiments of their own"
    )
    assert {**both[0], "tasks": []} == {**both[1], "tasks": []}


@pytest.mark.parametrize("name", options("recipe"))
def test_a_recipe_goes_by_its_name_and_leaves_the_other_knobs(name: str) -> None:
    check_overrides([NEGATIVE, f"recipe={name}", "model.heads=4", "train.calibration=0.5"])
    cfg = composed(NEGATIVE, f"recipe={name}", "model.heads=4")
    assert cfg.recipe == name, "reports tell runs from each other by it"
    assert cfg.model.heads == 4
    assert cfg.model.device == composed(NEGATIVE).model.device, "which none of them decides"


def test_the_recipes_of_known_models_are_these_models() -> None:
    recipes = {name: Recipe.from_config(composed(NEGATIVE, f"recipe={name}")) for name in options("recipe")}
    for name in ("sasrec", "gsasrec", "bert4rec", "next_item", "next_item_quick"):
        recipe = recipes[name]
        assert (recipe.sequences.inputs, recipe.sequences.p_hard, recipe.model.feedback) == (("up",), 0, False)
        tasks, attention = ("cloze", "bidirectional") if name == "bert4rec" else ("next", "causal")
        assert (recipe.sequences.tasks, recipe.model.attention) == (tasks, attention)
    losses = {name: (recipe.loss.name, recipe.loss.k_negatives) for name, recipe in recipes.items()}
    assert losses["sasrec"] == ("bce", 1)
    assert losses["gsasrec"] == ("gbce", 256)
    assert losses["bert4rec"][0] == losses["next_item"][0] == "softmax"
    assert [name for name, recipe in recipes.items() if recipe.loss.leave_out_heard] == [
        "next_item",
        "next_item_quick",
    ]
    assert recipes["paper"] == Recipe.from_config(composed(NEGATIVE))


def test_what_a_recipe_builds_on_is_no_knob_and_is_told_by_its_value() -> None:
    with pytest.raises(KnobError, match="defaults"):
        check_overrides([NEGATIVE, "recipe=fold_in", "defaults=[a]"])
    with pytest.raises(KnobError, match=r"model\.item_bias is 3, but must be .*; it is true by default"):
        check_overrides([NEGATIVE, "recipe=fold_in", "model.item_bias=3"])


def test_each_recipe_past_the_paper_is_a_step_on_from_the_one_before() -> None:
    names = OmegaConf.load(CONF / "sweep" / "recipes.yaml").hydra.sweeper.params.recipe.split(",")
    steps = [flatten(OmegaConf.to_container(composed(NEGATIVE, f"recipe={name}"), resolve=False)) for name in names]
    changed = [{k for k in one.keys() | other.keys() if one.get(k) != other.get(k)} for one, other in pairwise(steps)]
    assert names[0] == "paper"
    assert changed == [
        {"recipe", "down_tasks"},
        {"recipe", "model.item_bias", "train.item_start"},
        {"recipe", "train.item_start"},
        {"recipe", "model.fold_in", "train.learning_rate"},
        {"recipe", "loss", "k_negatives", "down_tasks", "model.position"},
        {"recipe", "train.item_start"},
    ]


@pytest.mark.parametrize(
    "experiment", [name for name in options("experiment") if name not in ("negative_feedback", "user_representation")]
)
def test_a_lab_book_entry_tells_its_claim_command_result_and_time(experiment: str) -> None:
    head = [line for line in (CONF / "experiment" / f"{experiment}.yaml").read_text().splitlines() if line[:1] == "#"]
    for word in ("# Claim: ", "# Command: python -m experiments.run ", "# Expect: ", "# Time: "):
        assert any(line.startswith(word) for line in head), word
    (command,) = (line for line in head if line.startswith("# Command: "))
    arguments = command.split("experiments.run ")[1].split()
    assert f"experiment={experiment}" in arguments
    check_overrides(arguments)


@pytest.mark.parametrize("part", get_args(Ablation))
def test_an_ablation_takes_out_what_it_names_and_nothing_else(part: Ablation) -> None:
    complete = Recipe.from_config(composed(NEGATIVE))
    without = Recipe.from_config(composed(NEGATIVE, f"ablation={part}"))
    changed = {
        f"{place}.{field.name}": getattr(getattr(without, place), field.name)
        for place in ("sequences", "model", "loss", "fit")
        for field in dataclasses.fields(getattr(complete, place))
        if getattr(getattr(complete, place), field.name) != getattr(getattr(without, place), field.name)
    }
    assert (
        changed
        == {
            "none": {},
            "hard_negatives": {"sequences.p_hard": 0.0},
            "feedback_inputs": {"sequences.inputs": ("up",)},
            "positions": {"model.position": False},
            "half_length": {"sequences.max_length": 50, "model.max_length": 50},
            "negative_feedback": {"sequences.p_hard": 0.0, "sequences.inputs": ("up",), "model.feedback": False},
        }[part]
    )
