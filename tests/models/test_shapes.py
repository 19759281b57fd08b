"""What a shape says of a network is what timm built."""

import re
from typing import Any

import pytest
import torch
from torch import nn

from models.backbone import Backbone
from models.catalog import get_backbone
from models.networks import build_network

EACH_FAMILY = (
    *("test_resnet", "resnet18_in1k", "starter_resnet", "timm/resnet26d.bt_in1k"),
    *("test_vit", "hybrid_vit", "efficientnet_lite2_in1k"),
    *("timm/test_convnext.r160_in1k", "timm/test_efficientnet.r160_in1k", "timm/mobilenetv3_small_050.lamb_in1k"),
    *("timm/mobilenetv4_conv_small.e2400_r224_in1k", "timm/regnetx_002.pycls_in1k", "timm/regnety_002.pycls_in1k"),
)


@pytest.fixture(params=EACH_FAMILY)
def pair(request) -> tuple[Backbone, Any]:
    """Return a backbone and its network, without memory."""
    row = get_backbone(request.param)
    with torch.device("meta"):
        return row, build_network(row, classes=3, shape=(64, 64))


def test_outputs_are_those_that_timm_lists(pair) -> None:
    row, network = pair
    assert row.shape.outputs == tuple(info["num_chs"] for info in network.feature_info)
    images = torch.zeros(1, 3, 64, 64, device="meta")
    depths = list(row.shape.joined_depths)
    maps = network.eval().forward_intermediates(images, indices=depths, norm=False)[1]
    assert tuple(each.shape[1] for each in maps) == row.shape.joined_widths(row.features)[:-1]


def test_each_layer_for_lora_is_found_by_its_pattern_with_its_size(pair) -> None:
    row, network = pair
    for each in row.shape.matrices.values():
        layers = [layer for name, layer in network.named_modules() if re.fullmatch(each.pattern, name)]
        assert all(isinstance(layer, nn.Linear) or layer.groups == 1 for layer in layers)
        assert each.sizes == tuple((layer.weight[0].numel(), layer.weight.shape[0]) for layer in layers)
