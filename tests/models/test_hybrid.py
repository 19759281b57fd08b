"""The hybrid ViT's file is whole and fits its definition; its pretraining starts as the ResNet's third stage."""

import json
from typing import Any

import pytest

from models.catalog import BACKBONES
from models.starter.hybrid import INPUT_SIZE_PX, MEAN, NAME, STD, TIMM_KWARGS, WEIGHTS_PATH, WIDTH, build_bundled


def _state():
    from safetensors.torch import load_file

    return {key: value.float() for key, value in load_file(WEIGHTS_PATH).items()}


def test_the_file_fits_the_definition_and_holds_no_head() -> None:
    missing, unexpected = build_bundled().load_state_dict(_state(), strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    assert WEIGHTS_PATH.stat().st_size < 20_000_000


def test_metadata_tells_how_to_use_it() -> None:
    from safetensors import safe_open

    with safe_open(WEIGHTS_PATH, framework="np") as file:
        metadata = file.metadata()
    assert metadata["architecture"] == NAME
    assert json.loads(metadata["input_size"]) == [3, INPUT_SIZE_PX, INPUT_SIZE_PX]
    assert (tuple(json.loads(metadata["mean"])), tuple(json.loads(metadata["std"]))) == (MEAN, STD)
    assert json.loads(metadata["timm_kwargs"]) == TIMM_KWARGS
    assert metadata["licence"].startswith("MIT") and "research" in metadata["licence"]


def _random_resnet() -> Any:
    import timm
    import torch

    torch.manual_seed(0)
    return timm.create_model("resnet18", layers=[2, 2, 2, 3], num_classes=0, zero_init_last=False).eval()


@pytest.mark.parametrize("size_px", [64, 176])
def test_any_multiple_of_16_works(size_px: int) -> None:
    import torch

    model = build_bundled(num_classes=5, img_size=size_px).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, size_px, size_px)).shape == (1, 5)


def test_timm_alone_rebuilds_it_from_what_runs_and_exports_say() -> None:
    from functools import partial

    import timm
    from timm.layers.hybrid_embed import HybridEmbed

    said = json.loads(json.dumps(BACKBONES[NAME].construction))
    stages: Any = timm.create_model(**said["hybrid_embedding"])
    layer = partial(HybridEmbed, backbone=stages)
    network: Any = timm.create_model(said["architecture"], num_classes=0, embed_layer=layer, **said["model_args"])
    missing, unexpected = network.load_state_dict(_state(), strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)


def test_pretraining_starts_as_the_embedding() -> None:
    import torch
    from torch.nn.functional import layer_norm

    from models.starter.hybrid_distiller import start_from

    resnet = _random_resnet()
    network = start_from(resnet).eval()
    views = torch.randn(2, 3, INPUT_SIZE_PX, INPUT_SIZE_PX)
    with torch.inference_mode():
        third = resnet.forward_intermediates(views, indices=[3], intermediates_only=True)[0]
        expected = layer_norm(third.mean((2, 3)), (WIDTH,), eps=1e-6)
        torch.testing.assert_close(network(views), expected, atol=1e-4, rtol=1e-4)


def test_heads_start_at_a_solution_and_ask_the_blocks_for_the_rest() -> None:
    import torch
    from torch import nn

    from models.starter.hybrid_distiller import NO_CLASS, HybridDistiller, Stored, start_from

    network = start_from(_random_resnet())
    count, channels = 320, 512 + 352
    stored = Stored(
        embed=torch.rand(count, WIDTH, 4, 4),
        pooled=torch.rand(count, 1280 + 512 + 128),
        maps=torch.rand(count, channels, 2, 2),
        class_index=torch.arange(count) % 4 - 1,
    )
    assert NO_CLASS == -1
    student = HybridDistiller(network, nn.Linear(1280, 10), sample=stored, class_count=3)
    losses = student(stored)
    assert losses["pooled"].item() + losses["map"].item() < 4.5  # 4 and 2 where a head knows nothing
    torch.stack(list(losses.values())).sum().backward()
    for layer in (network.blocks[0].attn.proj, network.blocks[-1].mlp.fc2):
        assert float(layer.weight.grad.abs().max()) > 0
    assert all(parameter.grad is None for parameter in network.patch_embed.backbone.parameters())


def test_the_definition_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, models.starter.hybrid; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
