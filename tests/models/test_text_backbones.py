"""The picture side of PE-Core is a timm `Eva` with rotary attention: every method works on it, or refuses."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from models.backbone import Backbone
from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.prefix import ROTARY
from models.methods.table import METHODS
from models.parameters import count_parameters
from models.shapes import ViTShape


@pytest.fixture
def small() -> Backbone:
    """PE-Core-S with two narrow blocks."""
    return replace(
        BACKBONES["pe_core_s"],
        model_args={"embed_dim": 64, "depth": 2, "num_heads": 2, "attn_pool_num_heads": 2},
        shape=ViTShape(width=64, depth=2, heads=2, mlp_width=256, patch=16, has_rotary=True),
        features=64,
        input_size=64,
    )


@pytest.mark.parametrize("method", ["full", "linear", "lora", "adapter"])
def test_a_method_learns_and_merges(method: str, small: Backbone) -> None:
    built = build_classifier(small, METHODS[method], classes=3, weights=None).to_device("cpu")
    pictures = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(built.train().parameter_groups(0.0), lr=1e-3)
    before = {key: value.clone() for key, value in built.network.state_dict().items()}
    for _ in range(2):
        optimizer.zero_grad()
        cross_entropy(built(pictures), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()
    moved = {key for key, value in built.network.state_dict().items() if not torch.equal(value, before[key])}
    assert {"head.weight"} <= moved <= set(built.trainable_names())
    with torch.no_grad():
        torch.testing.assert_close(built.merged()(pictures), built.eval()(pictures), atol=1e-4, rtol=1e-3)


def test_prefix_refuses_rotary_attention_in_words(small: Backbone) -> None:
    assert METHODS["prefix"].refusal(small) == ROTARY
    assert METHODS["prefix"].refusal(BACKBONES["siglip2_b"]) == ""


@pytest.mark.parametrize("name", ["pe_core_s", "siglip2_b"])
def test_counts_equal_the_modules(name: str) -> None:
    for method in METHODS.values():
        if not method.refusal(BACKBONES[name]):
            with torch.device("meta"):
                built = build_classifier(BACKBONES[name], method, classes=7, weights=None)
            counted = count_parameters(BACKBONES[name], method, classes=7)
            assert (counted.trainable, counted.total) == built.parameter_counts()
