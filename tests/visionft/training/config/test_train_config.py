"""Settings: every fault at once, exact round trips, parsing."""

import dataclasses
import json

import pytest

from models.methods.table import METHODS
from visionft.core.errors import ConfigError, NextStep
from visionft.training.config.checks import config_problems, unvalidated_classes
from visionft.training.config.train_config import AUTOMATIC_PATIENCE, FORMAT_VERSION, TrainConfig


def test_every_fault_is_reported_with_its_field() -> None:
    config = TrainConfig(backbone="vgg", method="dream", epochs=0, batch_size=-1, learning_rate=float("nan"))
    fields = {"backbone", "method", "epochs", "batch_size", "learning_rate"}
    assert {problem.field for problem in config_problems(config)} == fields


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "prefix"}, "method"),
        ({"backbone": "test_vit", "image_size": 100}, "image_size"),
        ({"weights": "/nowhere/weights.safetensors"}, "weights"),
        ({"method": "lora", "lora.rank": 99}, "lora.rank"),
        ({"method": "full", "batch_size": 1}, "batch_size"),
    ],
)
def test_impossible_combinations_are_refused(changes, field) -> None:
    texts = [f"{key}={value}" for key, value in {"backbone": "test_resnet", **changes}.items()]
    assert [problem.field for problem in config_problems(TrainConfig().with_settings(texts))] == [field]


def test_the_automatic_rate_follows_width_and_batch_and_a_chosen_one_stays() -> None:
    def rate(**changes) -> float:
        return TrainConfig(**{"backbone": "vit_base", **changes}).peak_learning_rate

    assert rate() == pytest.approx(METHODS["lora"].learning_rate)
    assert rate(backbone="vit_small") == pytest.approx(2 * rate())
    assert rate(backbone="resnet50") < rate() < rate(backbone="resnet18") < rate(backbone="starter_resnet")
    assert rate(method="linear", backbone="starter_vit") == rate(method="linear")
    assert rate(batch_size=128) == pytest.approx(2 * rate())
    assert rate(learning_rate=0.5, batch_size=128) == 0.5


def test_settings_of_a_newer_program_are_refused() -> None:
    for name, value in (("format_version", FORMAT_VERSION + 1), ("warp", 9), ("epochs", "many")):
        with pytest.raises(ConfigError) as caught:
            TrainConfig.from_dict({**TrainConfig().to_dict(), name: value})
        assert [problem.field for problem in caught.value.problems] == [name if name != "format_version" else ""]


def test_what_is_a_constant_now_is_ignored_and_refused_only_where_it_had_another_value_to_train_with() -> None:
    usual = {"format_version": 5, "method": "lora", "mixup": 0.0, "methods": {"lora": {"rank": 4, "variant": "lora"}}}
    expected = TrainConfig().with_settings(["lora.rank=4"])
    assert TrainConfig.from_dict(usual) == expected == TrainConfig.from_dict({**usual, "mixup": 0.4}, is_past=True)
    changed = {**usual, "mixup": 0.4, "compile": True, "methods": {"lora": {"dropout": 0.1}}}
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_dict(changed)
    assert {problem.field for problem in caught.value.problems} == {"mixup", "compile", "dropout"}
    assert TrainConfig.from_dict({**usual, "least_gain": 0.01}).patience == AUTOMATIC_PATIENCE


@pytest.mark.parametrize(
    ("version", "method", "options"),
    [(5, "lora", {"variant": "dora"}), (5, "adapter", {"placement": "houlsby"}), (1, "prefix", {"length": 7})],
)
def test_a_run_whose_network_is_no_longer_built_is_read_and_marked(version, method, options) -> None:
    stored = {"format_version": version, "backbone": "test_vit", "method": method, method: options}
    config = TrainConfig.from_dict(stored, is_past=True)
    assert config.method == method and config.not_built and "not_built" not in config.to_dict()


def test_options_beside_the_settings_are_read_as_versions_before_5_stored_them() -> None:
    stored = {"format_version": 4, "method": "lora", "seed": 3, "lora": {"rank": 4}, "adapter": {"bottleneck": 9}}
    config = TrainConfig.from_dict(stored)
    assert config == TrainConfig(seed=3).with_settings(["lora.rank=4", "adapter.bottleneck=9"])
    assert config.to_dict()["methods"].keys() == {"lora", "adapter"}
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_training_material_is_checked(snapshot) -> None:
    def problems(images):
        return config_problems(TrainConfig(), dataclasses.replace(snapshot, images=tuple(images)))

    assert not problems(snapshot.images)
    assert config_problems(TrainConfig(), dataclasses.replace(snapshot, class_names=("blue",)))
    for images in (
        [dataclasses.replace(image, split=None) for image in snapshot.images],
        [image for image in snapshot.images if image.split != "val"],
    ):
        assert problems(images)[0].next_step == NextStep("split")
    for split in ("train", "val"):
        lacking = dataclasses.replace(
            snapshot, images=tuple(i for i in snapshot.images if not (i.split == split and i.labels == (2,)))
        )
        assert bool(config_problems(TrainConfig(), lacking)) == (split == "train")
        assert ("'red'" in unvalidated_classes(lacking)) == (split == "val")


NON_COMMERCIAL = "timm/resnext101_32x8d.fb_wsl_ig1b_ft_in1k"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"backbone": NON_COMMERCIAL, "method": "full"}, "accept_licence", "CC-BY-NC-4.0"),
        ({"backbone": "timm/resnext50_32x4d.a1_in1k", "method": "lora"}, "method", "grouped"),
        ({"backbone": "timm/resnet50d.a1_in1k", "method": "prefix"}, "method", "attention"),
    ],
)
def test_a_network_of_timm_is_refused_with_the_reason(changes, field, said) -> None:
    (problem,) = config_problems(TrainConfig(**changes))
    assert problem.field == field and said in problem.message


def test_a_licence_is_accepted_by_its_name_and_for_the_hubs_weights_only() -> None:
    config = TrainConfig(backbone=NON_COMMERCIAL, method="full")
    assert not config_problems(dataclasses.replace(config, accept_licence="CC-BY-NC-4.0"))
    assert not config_problems(dataclasses.replace(config, weights="random"))
    assert config_problems(dataclasses.replace(config, accept_licence="not stated"))[0].field == "accept_licence"
