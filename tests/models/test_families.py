"""The contract of every method over timm's families, on small random versions: it works, or refuses and says why."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from models.backbone import Backbone
from models.catalog import get_backbone
from models.classifier import build_classifier
from models.errors import ConfigError
from models.methods.lora import GROUPED, LoraOptions
from models.methods.table import METHODS, supported_method
from models.methods.zero_shot import NO_TEXT
from models.parameters import count_parameters

# Deep random networks without a norm that follows explode; what a block is made of is the same in one of each.
SMALL_RESNET = {"channels": (8, 12, 16, 24), "layers": (1, 1, 1, 1)}
SMALL_VIT = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 64}
FAMILIES = {
    "resnet18": SMALL_RESNET,
    "resnet26": SMALL_RESNET,
    "resnet50": SMALL_RESNET,
    "resnet50d": SMALL_RESNET,
    "seresnet50": SMALL_RESNET,
    "ecaresnet50t": SMALL_RESNET,
    "wide_resnet50_2": SMALL_RESNET,
    "resnetblur50": SMALL_RESNET,
    "resnext50_32x4d": {"channels": (32, 32, 32, 64), "layers": (1, 1, 1, 1)},
    "vit_tiny_patch16_224": SMALL_VIT,
    "vit_base_patch16_clip_224": SMALL_VIT,
    "deit3_small_patch16_224": SMALL_VIT,
    "vit_small_patch14_reg4_dinov2": {**SMALL_VIT, "img_size": 56},
    "vit_base_patch16_siglip_224": SMALL_VIT,
    "vit_base_patch16_siglip_gap_224": SMALL_VIT,
    "vit_medium_patch16_reg4_gap_256": SMALL_VIT,
}
LORA_ON_ALL = {
    "lora": LoraOptions(rank=2, targets="all"),
    "full": None,
    "linear": None,
    "adapter": None,
    "prefix": None,
    "prototype": None,
    "knn": None,
}


@pytest.fixture(scope="module")
def small(index_script):
    """Return a function: name of a network in `FAMILIES` -> its row, with a small version's shape and arguments."""
    from models.timm_index import _backbone

    def small(name: str) -> Backbone:
        found = index_script.describe(name, **FAMILIES[name])
        assert isinstance(found, dict), found
        return replace(
            _backbone(name, found, None), model_args=FAMILIES[name], input_size=FAMILIES[name].get("img_size", 64)
        )

    return small


def pictures(row: Backbone) -> torch.Tensor:
    return torch.randn(4, 3, row.input_size, row.input_size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("name", list(FAMILIES))
def test_a_method_learns_merges_and_counts_or_refuses(name: str, method: str, small) -> None:
    row, kind = small(name), METHODS[method]
    if reason := kind.refusal(row):
        is_known = (method, name) == ("lora", "resnext50_32x4d") or (method, row.family) == ("prefix", "resnet")
        assert is_known or method == "zero_shot"
        assert reason in (GROUPED, NO_TEXT, kind.unsupported.get(row.family))
        assert not METHODS[supported_method(method, row)].refusal(row)
        return
    built = build_classifier(row, kind, classes=3, options=LORA_ON_ALL[method], weights=None).to_device("cpu")
    counted = count_parameters(row, kind, classes=3, options=LORA_ON_ALL[method])
    assert (counted.trainable, counted.total) == built.parameter_counts()
    before = {key: value.clone() for key, value in built.network.state_dict().items()}
    optimizer = torch.optim.AdamW(built.train().parameter_groups(0.0), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        cross_entropy(built(pictures(row)), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    learnt = set(built.trainable_names())
    moved = {key for key, value in built.network.state_dict().items() if not torch.equal(value, before[key])}
    if kind.is_live:
        assert not moved  # what it knows is held, not learnt
    else:
        assert moved <= learnt and {"head.weight", "fc.weight"} & moved and len(moved) > len(learnt) / 3
    with torch.no_grad():
        expected = built.eval()(pictures(row))
        torch.testing.assert_close(built.merged()(pictures(row)), expected, atol=1e-4, rtol=1e-3)
        assert built.features(pictures(row)).shape == (4, sum(built.head_parts))
    again = build_classifier(row, kind, classes=3, options=LORA_ON_ALL[method], weights=None).to_device("cpu")
    again.load_trainable_state(built.trainable_state())
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(pictures(row)), expected)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("resnet50d", "lora"),
        ("seresnet50", "adapter"),
        ("resnext50_32x4d", "full"),
        ("deit3_small_patch16_224", "lora"),
        ("vit_small_patch14_reg4_dinov2", "prefix"),
        ("vit_base_patch16_siglip_224", "adapter"),
    ],
)
def test_onnx_runtime_answers_as_the_merged_network(name: str, method: str, small, tmp_path: Path) -> None:
    import onnxruntime

    from visionft.export.graph import export_network

    row = small(name)
    merged = build_classifier(row, METHODS[method], classes=3, weights=None).merged()
    export_network(merged, row.input_size, tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "n.onnx", providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = merged(pictures(row)).numpy()
    np.testing.assert_allclose(session.run(None, {"input": pictures(row).numpy()})[0], expected, atol=1e-4)


@pytest.mark.parametrize("name", [name for name in FAMILIES if "vit" in name or "deit" in name])
def test_a_file_for_another_picture_size_loads_and_a_heat_map_is_drawn(name: str, small, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from models.networks import build_network
    from visionft.evaluation.saliency import explain_batch
    from visionft.weights.fitting import load_weights

    row = small(name)
    save_file(build_network(row, classes=5, image_size=row.input_size).state_dict(), tmp_path / "w.safetensors")
    larger = row.shape.patch * 6
    built = build_classifier(
        row,
        METHODS["linear"],
        classes=3,
        image_size=larger,
        weights=lambda network, backbone: load_weights(network, backbone, tmp_path / "w.safetensors"),
    )
    assert built.loaded and built.loaded.head_classes == 5 and built.loaded.resized_from
    assert built.parameter_counts()[1] == count_parameters(row, METHODS["linear"], classes=3, image_size=larger).total
    maps = explain_batch(built.eval(), torch.randn(2, 3, larger, larger), torch.tensor([0, 1]))
    assert maps.shape == (2, 6, 6) and bool(torch.isfinite(maps).all())


def test_rotary_and_other_attention_is_refused_before_anything_is_built() -> None:
    for name in ("timm/eva02_tiny_patch14_224.mim_in22k", "timm/vit_base_patch16_rope_reg1_gap_256.sbb_in1k"):
        with pytest.raises(ConfigError, match="cannot be fine-tuned here"):
            get_backbone(name)
