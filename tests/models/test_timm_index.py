"""The index agrees with the installed timm, and its names give rows or refuse with a reason."""

import json
from pathlib import Path

import pytest

import models
from models.backbone import RESTRICTED_LICENCES
from models.catalog import BACKBONES, backbone_of_file, get_backbone
from models.shapes import ResNetShape, ViTShape
from models.timm_index import timm_names
from visionft.core.errors import ConfigError

INDEX = json.loads((Path(models.__path__[0]) / "timm_index.json").read_text())


def test_every_set_of_weights_is_as_the_installed_timm_configures_it(index_script) -> None:
    import timm

    known = set(timm.list_models(pretrained=True)) & INDEX["weights"].keys()
    made = {name: index_script.weights_of(name, INDEX["architectures"]) for name in known}
    assert made == {name: INDEX["weights"][name] for name in known} and len(known) > 300


SHAPES = "resnet18 resnet26 resnet50d seresnet50 wide_resnet50_2 resnext50_32x4d vit_tiny_patch16_224 "
SHAPES += "convnext_atto efficientnet_b0 mobilenetv3_small_100 mobilenetv4_conv_small regnety_002 "
SHAPES += "deit3_small_patch16_224 vit_small_patch14_reg4_dinov2 vit_base_patch16_siglip_224"


@pytest.mark.parametrize("name", SHAPES.split())
def test_shapes_are_those_of_the_networks(name, index_script) -> None:
    assert json.loads(json.dumps(index_script.describe(name))) == INDEX["architectures"][name]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("timm/swin_tiny_patch4_window7_224.ms_in1k", "swin_tiny_patch4_window7_224"),
        ("timm/vit_small_patch16_dinov3.lvd1689m", "vit_small_patch16_dinov3"),
        ("timm/vit_pe_core_small_patch16_384.fb", "vit_pe_core_small_patch16_384"),
        ("timm/deit_tiny_distilled_patch16_224.fb_in1k", "deit_tiny_distilled_patch16_224"),
        ("timm/resnet51000", "resnet51000"),
        ("timm/", "timm"),
        ("timm/resnet50.mine", r"resnet50\.mine"),
    ],
)
def test_other_networks_and_names_are_refused_with_the_reason(name, reason) -> None:
    with pytest.raises(ConfigError, match=reason):
        get_backbone(name)


def test_a_name_brings_what_timm_knows_of_it() -> None:
    row = get_backbone("timm/wide_resnet50_2.tv2_in1k")
    assert isinstance(row.shape, ResNetShape) and row.architecture == "wide_resnet50_2"
    assert row.hub_id == row.name and row.licence == "BSD-3-Clause" and row.interpolation == "bilinear"
    assert row.size_step == 32 and row.parameters_at(64) == row.parameters and row.features == 2048
    siglip = get_backbone("timm/vit_base_patch16_siglip_384.v2_webli")
    assert isinstance(siglip.shape, ViTShape) and siglip.input_size == 384 and siglip.size_step == 16


def test_a_short_name_means_the_first_weights_and_the_catalog_comes_first() -> None:
    first = next(name for name in INDEX["weights"] if name.startswith("resnet50d."))
    assert get_backbone("timm/resnet50d").name == f"timm/{first}"
    assert get_backbone("timm/resnet50.a1_in1k") is BACKBONES["resnet50"]
    assert backbone_of_file("timm_resnet26.bt_in1k") == get_backbone("timm/resnet26.bt_in1k")
    assert backbone_of_file("test_vit") is BACKBONES["test_vit"] and backbone_of_file("notes") is None


def test_restricted_licences_are_known() -> None:
    licences = {get_backbone(name).licence for name in timm_names()}
    assert "" not in licences and "CC-BY-NC-4.0" in licences
    forbidding = {each for each in licences if "nc" in each.lower().split("-") or "noncommercial" in each.lower()}
    assert forbidding <= set(RESTRICTED_LICENCES)
    assert not any(row.must_be_accepted for row in BACKBONES.values())
