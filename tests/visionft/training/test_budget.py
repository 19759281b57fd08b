"""What a run may spend: the stages of its preset, in time."""

import dataclasses

from visionft.training.budget import fitted_to_framing, staged_configs
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import Framing

HERE = Circumstances(images=280, device="cpu", local_backbones=frozenset({"resnet18_in1k"}))


def test_a_run_goes_through_the_presets_up_to_its_own():
    config = dataclasses.replace(preset_config("balanced", HERE), seed=5, device="cpu")
    stages = staged_configs(config, "balanced", "best", HERE)
    assert [preset for preset, _ in stages] == ["quick", "balanced", "best"]
    assert [bool(stage.total_epochs) for _, stage in stages] == [False, True, True]
    assert stages[1][1] == config and {stage.seed for _, stage in stages} == {5}
    assert [preset for preset, _ in staged_configs(config, "balanced", "quick", HERE)] == ["quick"]
    assert staged_configs(config, "", "", HERE) == (("", config),)


def test_larger_images_take_fewer_epochs_but_those_of_the_user_stay():
    large = dataclasses.replace(HERE, framing=Framing(image_size=320))
    config = preset_config("balanced", HERE)
    fitted = fitted_to_framing(config, config, "balanced", large)
    assert fitted.epochs == preset_config("balanced", large).epochs < config.epochs
    own = dataclasses.replace(config, epochs=17)
    assert fitted_to_framing(own, own, "balanced", large) == own
    assert fitted_to_framing(config, config, "", large) == config


def test_a_large_network_that_was_measured_best_is_trained_as_its_preset_would():
    here = dataclasses.replace(HERE, device="cuda", local_backbones=frozenset({"resnet50", "vit_base"}))
    config = dataclasses.replace(preset_config("best", here), backbone="resnet50", method="full")
    framed = dataclasses.replace(config, backbone="vit_base", try_networks=False)
    measured = dataclasses.replace(here, backbone="vit_base")
    assert fitted_to_framing(config, framed, "best", measured).method == "lora"
    stages = staged_configs(preset_config("balanced", measured), "balanced", "best", measured)
    assert [config.backbone for _name, config in stages] == ["vit_base"] * 3
    named = preset_config("balanced", measured, backbone="resnet50")
    stages = staged_configs(named, "balanced", "best", measured)
    assert {config.backbone for _name, config in stages} == {"resnet50"}
    assert not any(config.try_networks for _name, config in stages)
