"""Recipes: settings as readable text, and back; an invalid one is refused with its line."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.methods.table import METHODS
from visionft.core.errors import ConfigError, RunError, WeightsError
from visionft.training.base_weights import save_base_weights
from visionft.training.config.train_config import FORMAT_VERSION, TrainConfig
from visionft.training.recipe import Recipe, StartWeights, parse_toml, read_recipe, require_same_weights, write_recipe
from visionft.training.runs.manifest import Part
from visionft.training.runs.run_folder import BaseWeights, StoredRun

WEIGHTS = StartWeights(file="w.safetensors", sha256="ab" * 32, licence="Apache-2.0", origin="somebody", revision="1f")


def values_of(field: dataclasses.Field[Any]) -> st.SearchStrategy[Any]:
    """Return the allowed values of a setting, by its own metadata."""
    if choices := field.metadata["choices"]:
        return st.sampled_from(sorted(choices))
    low, high = field.metadata["min"], field.metadata["max"]
    match field.default:
        case bool():
            return st.booleans()
        case int():
            return st.integers(low, high)
        case float():
            return st.floats(low, high)
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@st.composite
def configs(draw: st.DrawFn) -> TrainConfig:
    def drawn(kind: type) -> dict[str, Any]:
        fields = [each for each in dataclasses.fields(kind) if each.metadata and each.name != "weights"]
        return {each.name: draw(values_of(each)) for each in fields}

    plain = drawn(TrainConfig)
    options = METHODS[plain["method"]].options
    config = TrainConfig(**plain, methods={plain["method"]: options(**drawn(options))})
    return dataclasses.replace(config, **{name: getattr(TrainConfig(), name) for name in config.unused_settings})


@pytest.mark.slow
@given(config=configs(), weights=st.sampled_from([WEIGHTS, None]))
def test_what_was_written_is_read_and_written_the_same(config, weights, tmp_path_factory) -> None:
    path, recipe = tmp_path_factory.getbasetemp() / "recipe.toml", Recipe(config=config, weights=weights)
    write_recipe(path, recipe)
    assert read_recipe(path) == recipe and read_recipe(path).text() == recipe.text() == path.read_text(encoding="utf-8")


def test_a_reader_finds_each_setting_with_its_words_and_its_range() -> None:
    text = Recipe(config=TrainConfig(backbone="starter_vit", epochs=7), weights=WEIGHTS).text()
    chosen, usual = text.split("# As the program has it by itself.")[:2]
    assert [line for line in chosen.splitlines() if " = " in line and line[0] != "#"] == [
        f"format_version = {FORMAT_VERSION}",
        chosen[chosen.index("visionft = ") :].splitlines()[0],
        'backbone = "starter_vit"',
        'method = "lora"',
        "epochs = 7",
    ]
    about = {each.name: each.metadata for each in dataclasses.fields(TrainConfig)}
    assert f"# {about['epochs']['label']}, 1 to 10,000. {about['epochs']['help']}\nepochs = 7" in chosen
    assert "none, weights, sampling" in usual
    assert "[settings.methods.lora]" in text and "[settings.methods.full]" not in text and "\n[weights]\n" in text
    assert max(map(len, text.splitlines())) <= 120
    known = {each.name for each in dataclasses.fields(TrainConfig) if each.metadata}
    assert known <= set(tomllib.loads(text)["settings"])


def saved(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_written_by_hand_may_say_little(tmp_path) -> None:
    recipe = read_recipe(saved(tmp_path / "r.toml", '[settings]\nmethod = "full"\nepochs = 3\nlearning_rate = 1\n'))
    assert recipe == Recipe(config=TrainConfig(method="full", epochs=3, learning_rate=1.0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "settings"),
        ("settings = 3", r"r\.toml, line 1: "),
        ("\n\nx = = 3", r"TOML: .*line 3"),
        ('[settings]\n\nepochs = "3"', r"r\.toml, line 3, epochs: .*'3'"),
        ("[settings]\nepochs = 3\n[settings.lora]\nrank = 1.5", r"line 4, lora\.rank: "),
        ("[settings]\nepochs = 3\n[settings.methods.lora]\nrank = 1.5", r"line 4, lora\.rank: "),
        ("format_version = 99\nvisionft = '9.1'\n[settings]\nwarp = 9", r"line 1, .*9\.1"),
        ("epochs = 3\n[settings]\nseed = 1", r"line 1, epochs: .*\[settings\]"),
        ("[settings]\nseed = 1\n[weights]\nsha256 = 'x'", "line 4, .*SHA-256"),
        ("a = " + "[" * 5000, "TOML"),
    ],
)
def test_what_is_no_recipe_is_said_with_its_line(text, said, tmp_path) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        read_recipe(saved(tmp_path / "r.toml", text))
    assert raised.value.hint or raised.value.next_step


def test_a_path_of_weights_is_told_below_the_home_and_found_from_the_recipe(tmp_path, monkeypatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    recipe = Recipe(config=TrainConfig(weights=str(tmp_path / "mine" / "w.pth")))
    assert '"~/mine/w.pth"' in recipe.text()
    assert read_recipe(saved(tmp_path / "r.toml", recipe.text())) == recipe
    beside = read_recipe(saved(tmp_path / "r.toml", "[settings]\nweights = 'w.pth'\n"))
    assert beside.config.weights == str(tmp_path / "w.pth")


def test_other_weights_than_the_recipes_are_refused(tmp_path) -> None:
    config = TrainConfig(backbone="starter_vit")
    recipe = Recipe.of_settings(config)
    assert recipe.weights is not None and recipe.weights.origin and recipe.weights.licence
    require_same_weights(recipe, config)
    other = dataclasses.replace(recipe, weights=dataclasses.replace(recipe.weights, sha256="0" * 64))
    with pytest.raises(WeightsError, match="starter_vit.*000000000000"):
        require_same_weights(other, config)
    require_same_weights(other, dataclasses.replace(config, backbone="starter_resnet"))  # on purpose
    gone = dataclasses.replace(config, weights=str(tmp_path / "w.pth"))
    with pytest.raises(WeightsError, match=r"starter_vit.*w\.pth"):
        require_same_weights(dataclasses.replace(recipe, config=gone), gone)
    assert Recipe.of_settings(dataclasses.replace(config, weights="random")).weights is None


def run_at(path: Path, config: TrainConfig, **more: Any) -> StoredRun:
    return StoredRun(name=path.name, path=path, config=config, class_names=("a", "b"), epochs=(), result=None, **more)


def test_a_runs_recipe_tells_what_it_started_from_and_a_combination_has_none(tmp_path) -> None:
    kept = BaseWeights(source="pretrained", file="s.safetensors", sha256="ab" * 32, origin="/home/x/s.safetensors")
    save_base_weights(tmp_path, kept)
    recipe = Recipe.of_run(run_at(tmp_path, TrainConfig(backbone="starter_vit", epochs=3)))
    assert recipe.config.epochs == 3 and recipe.weights is not None
    assert recipe.weights.origin == "s.safetensors" and "/home/x" not in recipe.text()
    part = Part(run="002-y", weights="", share=1.0, temperature=1.0, accuracy=1.0, loss=0.0)
    with pytest.raises(RunError, match=tmp_path.name):
        Recipe.of_run(run_at(tmp_path, TrainConfig(), parts=(part,)))


def test_a_recipe_of_a_solved_head_holds_no_settings_of_steps() -> None:
    solved = parse_toml(Recipe(config=TrainConfig(method="linear", epochs=7, seed=3)).text(), "r.toml")["settings"]
    assert solved["seed"] == 3 and not {"epochs", "learning_rate", "optimizer"} & set(solved)
    stepped = TrainConfig(method="linear", epochs=7).with_settings(["linear.solver=gradient"])
    assert parse_toml(Recipe(config=stepped).text(), "r.toml")["settings"]["epochs"] == 7
