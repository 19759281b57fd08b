"""The contract of every method over timm's families, on small random versions: it works, or refuses with a reason."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from models.backbone import Backbone
from models.catalog import BACKBONES, get_backbone
from models.classifier import build_classifier
from models.methods.adapter import NO_BLOCKS
from models.methods.frozen import NO_TEXT
from models.methods.lora import GROUPED_CONVOLUTIONS
from models.methods.method import count_parameters
from models.methods.prefix import NO_ATTENTION, ROTARY
from models.methods.table import METHODS, supported_method
from models.shapes import ViTShape
from visionft.core.errors import ConfigError

# Deep random networks without a following norm explode; one of each block type is enough here.
SMALL_RESNET = {"channels": (8, 12, 16, 24), "layers": (1, 1, 1, 1)}
SMALL_VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 64}
RESNETS = [
    "resnet18",
    "resnet26",
    "resnet50",
    "resnet50d",
    "seresnet50",
    "ecaresnet50t",
    "wide_resnet50_2",
    "resnetblur50",
]
VITS = [
    "vit_tiny_patch16_224",
    "vit_base_patch16_clip_224",
    "deit3_small_patch16_224",
    "vit_base_patch16_siglip_224",
    "vit_base_patch16_siglip_gap_224",
    "vit_medium_patch16_reg4_gap_256",
]
CONV_NETS = [
    "test_convnext",
    "test_convnext2",
    "test_efficientnet",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_035",
    "regnetx_002",
    "regnety_002",
]
FAMILIES = {
    **dict.fromkeys(RESNETS, SMALL_RESNET),
    "resnext50_32x4d": {"channels": (32, 32, 32, 64), "layers": (1, 1, 1, 1)},
    **dict.fromkeys(VITS, SMALL_VIT),
    "vit_small_patch14_reg4_dinov2": {**SMALL_VIT, "img_size": 56},
    **{name: {} for name in CONV_NETS},
}
PE_CORE = replace(  # a timm `Eva` with rotary attention
    BACKBONES["pe_core_s"],
    model_args={"embed_dim": 64, "depth": 2, "num_heads": 2, "attn_pool_num_heads": 2},
    shape=ViTShape(width=64, depth=2, heads=2, mlp_width=256, patch=16, has_rotary=True),
    parameters=0,
    features=64,
    input_size=64,
)
LITE = replace(BACKBONES["efficientnet_lite2_in1k"], input_size=64)
WHOLE = {row.name: row for row in (PE_CORE, LITE)}  # rows of the catalog instead of timm's index


@pytest.fixture(scope="module")
def small(index_script):
    """Return a function: name of a network in `FAMILIES` -> its row, with a small version's shape and arguments."""
    from models.timm_index import backbone_row

    def small(name: str) -> Backbone:
        if name in WHOLE:
            return WHOLE[name]
        found = index_script.describe(name, **FAMILIES[name])
        assert isinstance(found, dict), found
        return replace(
            backbone_row(name, found, None), model_args=FAMILIES[name], input_size=FAMILIES[name].get("img_size", 64)
        )

    return small


def images(row: Backbone) -> torch.Tensor:
    return torch.randn(4, 3, row.input_size, row.input_size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("name", [*FAMILIES, *WHOLE])
def test_a_method_learns_merges_and_counts_or_refuses(name, method, small) -> None:
    row, kind = small(name), METHODS[method]
    if reason := kind.refusal(row):
        known = {("lora", "resnext50_32x4d"): GROUPED_CONVOLUTIONS, ("prefix", PE_CORE.name): ROTARY}
        known |= {("adapter", each): NO_BLOCKS for each in CONV_NETS}
        expected = NO_TEXT if method == "zero_shot" else NO_ATTENTION
        assert reason == known.get((method, name), expected)
        assert not METHODS[supported_method(method, row)].refusal(row)
        return
    built = build_classifier(row, kind, classes=3, weights=None).to_device("cpu")
    counted = count_parameters(row, kind, classes=3)
    assert (counted.trainable, counted.total) == built.parameter_counts() or row is PE_CORE
    before = {key: value.clone() for key, value in built.network.state_dict().items()}
    optimizer = torch.optim.AdamW(built.train().parameter_groups(0.0), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        cross_entropy(built(images(row)), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    learnt = set(built.trainable_names())
    moved = {key for key, value in built.network.state_dict().items() if not torch.equal(value, before[key])}
    if kind.is_live:
        assert not moved  # its knowledge is stored, not learnt
    else:
        assert moved <= learnt and f"{row.head}.weight" in moved and len(moved) > len(learnt) / 3
    with torch.no_grad():
        expected = built.eval()(images(row))
        torch.testing.assert_close(built.merged()(images(row)), expected, atol=1e-4, rtol=1e-3)
        assert built.features(images(row)).shape == (4, sum(built.head_parts))
    again = build_classifier(row, kind, classes=3, weights=None).to_device("cpu")
    again.load_trainable_state(built.trainable_state())
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(images(row)), expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("resnet50d", "lora"),
        ("seresnet50", "adapter"),
        ("resnext50_32x4d", "full"),
        ("deit3_small_patch16_224", "lora"),
        ("vit_small_patch14_reg4_dinov2", "prefix"),
        ("vit_base_patch16_siglip_224", "adapter"),
        (LITE.name, "linear"),
        (LITE.name, "full"),
        ("test_convnext", "lora"),
        ("test_efficientnet", "linear"),
        ("mobilenetv3_small_050", "full"),
        ("regnety_002", "lora"),
    ],
)
def test_onnx_runtime_answers_as_the_merged_network(name, method, small, tmp_path) -> None:
    import onnxruntime

    from visionft.export.graph import export_network

    row = small(name)
    merged = build_classifier(row, METHODS[method], classes=3, weights=None).merged()
    export_network(merged, row.input_shape(), tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx", providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = merged(images(row)).numpy()
    np.testing.assert_allclose(session.run(None, {"input": images(row).numpy()})[0], expected, atol=5e-4)


@pytest.mark.parametrize("name", [name for name in FAMILIES if "vit" in name or "deit" in name])
def test_a_file_for_another_image_size_loads_and_a_heat_map_is_drawn(name, small, tmp_path) -> None:
    from safetensors.torch import save_file

    from models.networks import build_network
    from models.weights.weights_loading import load_weights
    from visionft.training.evaluation.explain import explain_batch

    row = small(name)
    save_file(build_network(row, classes=5, shape=row.input_shape()).state_dict(), tmp_path / "w.safetensors")
    larger = row.shape.patch * 6

    def load(network, backbone):
        return load_weights(network, backbone, tmp_path / "w.safetensors")

    built = build_classifier(row, METHODS["linear"], classes=3, shape=(larger, larger), weights=load)
    assert built.loaded and built.loaded.head_classes == 5 and built.loaded.resized_from
    assert (
        built.parameter_counts()[1] == count_parameters(row, METHODS["linear"], classes=3, shape=(larger, larger)).total
    )
    maps = explain_batch(built.eval(), torch.randn(2, 3, larger, larger), torch.tensor([0, 1]))
    assert maps.shape == (2, 6, 6) and bool(torch.isfinite(maps).all())


def test_rotary_and_other_attention_is_refused_before_anything_is_built() -> None:
    for name in ("eva02_tiny_patch14_224", "vit_base_patch16_rope_reg1_gap_256"):
        with pytest.raises(ConfigError, match=name):
            get_backbone(f"timm/{name}")
