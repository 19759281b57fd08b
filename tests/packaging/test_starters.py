"""The scripts that pretrain the bundled backbones draw, augment, optimise and start as their cards say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.catalog import BACKBONES

pytestmark = pytest.mark.usefixtures("scripts")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "packaging" / "starters")


def _random_resnet() -> Any:
    import timm

    torch.manual_seed(0)
    return timm.create_model("resnet18", layers=[2, 2, 2, 3], num_classes=0, zero_init_last=False).eval()


def test_views_stay_on_the_canvas_and_cover_every_image() -> None:
    from views import SOURCE_PX, sample_views

    indices, windows = sample_views(400, 400, np.random.default_rng(0))
    assert sorted(indices[:, 0]) == list(range(400))
    for center, extent in ((windows[:, 0], windows[:, 2]), (windows[:, 1], windows[:, 3])):
        assert (center - extent / 2 >= -1e-3).all()
        assert (center + extent / 2 <= 2 * SOURCE_PX + 1e-3).all()
    is_single = windows[:, 2] <= SOURCE_PX
    assert 0.5 < is_single.mean() < 0.8
    assert (windows[is_single, 0] + windows[is_single, 2] / 2 <= SOURCE_PX + 1e-3).all()


def test_rendering_a_whole_image_returns_it_and_mirrors_it() -> None:
    from views import SOURCE_PX, render

    images = np.random.default_rng(0).integers(0, 256, (4, 3, SOURCE_PX, SOURCE_PX), dtype=np.uint8)
    indices = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])
    windows = np.array([[32, 32, 64, 64, 0], [32, 32, 64, 64, 1], [96, 96, 64, 64, 0]], np.float32)
    views = (render(images, indices, windows, SOURCE_PX).numpy() + 1) * 127.5
    assert np.abs(views[0] - images[0]).max() < 0.5
    assert np.abs(views[1] - images[0][:, :, ::-1]).max() < 0.5
    assert np.abs(views[2] - images[3]).max() < 0.5


def test_augmentation_is_repeatable_and_keeps_ranges() -> None:
    from augment import Targets, augment

    def run(seed: int):
        views = torch.linspace(-1, 1, 8 * 3 * 64 * 64).view(8, 3, 64, 64)
        probabilities = torch.eye(1000)[:8]
        targets = Targets(torch.rand(8, 320, 5, 5), torch.rand(8, 1280), probabilities, torch.arange(8))
        return augment(views, targets, torch.Generator().manual_seed(seed))

    for seed in range(12):
        views, targets = run(seed)
        assert torch.equal(views, run(seed)[0])
        assert float(views.abs().max()) <= 1
        assert torch.allclose(targets.probabilities.sum(1), torch.ones(8))
        is_mixed = bool((targets.class_index < 0).all())
        assert is_mixed == bool((targets.probabilities.max(1).values < 1).all())


def test_muon_direction_is_nearly_orthogonal() -> None:
    from muon import orthogonalized

    for shape in ((24, 60), (60, 24)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        values = torch.linalg.svdvals(orthogonalized(matrix))
        assert 0.5 < float(values.min()) <= float(values.max()) < 1.4


def test_pretraining_starts_as_the_embedding() -> None:
    from hybrid_distiller import start_from
    from torch.nn.functional import layer_norm

    resnet = _random_resnet()
    network = start_from(resnet).eval()
    views = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        third = resnet.forward_intermediates(views, indices=[3], intermediates_only=True)[0]
        expected = layer_norm(third.mean((2, 3)), (BACKBONES["hybrid_vit"].features,), eps=1e-6)
        torch.testing.assert_close(network(views), expected, atol=1e-4, rtol=1e-4)


def test_heads_start_at_a_solution_and_ask_the_blocks_for_the_rest() -> None:
    from hybrid_distiller import NO_CLASS, CachedBatch, HybridDistiller, start_from

    network = start_from(_random_resnet())
    count, channels = 320, 512 + 352
    stored = CachedBatch(
        embed=torch.rand(count, BACKBONES["hybrid_vit"].features, 4, 4),
        pooled=torch.rand(count, 1280 + 512 + 128),
        maps=torch.rand(count, channels, 2, 2),
        class_index=torch.arange(count) % 4 - 1,
    )
    assert NO_CLASS == -1
    student = HybridDistiller(network, nn.Linear(1280, 10), sample=stored, class_count=3)
    losses = student(stored)
    assert losses["pooled"].item() + losses["map"].item() < 4.5  # 4 and 2 for an untrained head
    torch.stack(list(losses.values())).sum().backward()
    for layer in (network.blocks[0].attn.proj, network.blocks[-1].mlp.fc2):
        assert float(layer.weight.grad.abs().max()) > 0
    assert all(parameter.grad is None for parameter in network.patch_embed.backbone.parameters())
