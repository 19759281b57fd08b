"""What a run may spend: the stages of its preset, in time."""

import dataclasses

import pytest

from visionft.training.budget import Budget, fitted_to_framing, staged_configs
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import Framing

HERE = Circumstances(images=280, device="cpu", here=frozenset({"resnet18_in1k"}))


def test_a_run_goes_through_the_presets_up_to_its_own():
    config = dataclasses.replace(preset_config("balanced", HERE), seed=5, device="cpu")
    stages = staged_configs(config, "balanced", "best", HERE)
    assert [preset for preset, _ in stages] == ["quick", "balanced", "best"]
    assert [bool(stage.total_epochs) for _, stage in stages] == [False, True, True]
    assert stages[1][1] == config and {stage.seed for _, stage in stages} == {5}
    assert [preset for preset, _ in staged_configs(config, "balanced", "quick", HERE)] == ["quick"]
    assert staged_configs(config, "", "", HERE) == (("", config),)


def test_few_images_have_one_stage_for_two_presets():
    few = dataclasses.replace(HERE, images=60)
    config = preset_config("balanced", few)
    assert len(staged_configs(config, "balanced", "balanced", few)) == 1


def test_larger_images_take_fewer_epochs_but_those_of_the_user_stay():
    large = dataclasses.replace(HERE, framing=Framing(image_size=320))
    config = preset_config("balanced", HERE)
    fitted = fitted_to_framing(config, "balanced", large)
    assert fitted.epochs == preset_config("balanced", large).epochs < config.epochs
    own = dataclasses.replace(config, epochs=17)
    assert fitted_to_framing(own, "balanced", large) == own
    assert fitted_to_framing(config, "", large) == config


@pytest.mark.parametrize(("now", "is_enough"), [("quick", True), ("balanced", False), ("best", False)])
def test_a_lower_budget_is_enough_for_a_stage(now, is_enough):
    budget = Budget("balanced")
    budget.preset = now
    assert budget.is_enough("balanced", 0.0) == is_enough
    assert not budget.is_enough("", 1e9)
    assert Budget("best", seconds=10).is_enough("balanced", 11) and not Budget("best", seconds=10).is_enough("quick", 5)
