"""The bundled backbones are whole and fit their timm definitions; the parts that made them do what they say."""

import json

import numpy as np
import pytest

from models.starter.architectures import INPUT_SIZE_PX, MEAN, STARTERS, STD, build_starter

MAX_BYTES = 8_000_000


@pytest.fixture(params=sorted(STARTERS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def _load(name: str):
    from safetensors.torch import load_file

    return load_file(STARTERS[name].weights_path)


def test_file_is_half_precision_and_small(name: str) -> None:
    import torch

    size = STARTERS[name].weights_path.stat().st_size
    assert 4_000_000 < size <= MAX_BYTES
    state = _load(name)
    assert {value.dtype for value in state.values() if value.is_floating_point()} == {torch.float16}
    assert all(bool(torch.isfinite(value).all()) for value in state.values())


def test_file_fits_the_timm_definition_without_a_head(name: str) -> None:
    state = _load(name)
    build_starter(name).load_state_dict(state, strict=True)
    assert not [key for key in state if key.startswith(("fc.", "head."))]


def test_metadata_tells_how_to_use_it(name: str) -> None:
    from safetensors import safe_open

    with safe_open(STARTERS[name].weights_path, framework="np") as file:
        metadata = file.metadata()
    assert metadata["architecture"] == name
    assert json.loads(metadata["input_size"]) == [3, INPUT_SIZE_PX, INPUT_SIZE_PX]
    assert (tuple(json.loads(metadata["mean"])), tuple(json.loads(metadata["std"]))) == (MEAN, STD)
    assert json.loads(metadata["timm_kwargs"]) == json.loads(json.dumps(STARTERS[name].timm_kwargs))
    assert int(metadata["views"]) > 100_000
    assert metadata["licence"]
    assert metadata["date"]


def test_features_tell_pictures_apart_and_forgive_a_little_noise(name: str) -> None:
    import torch
    from torch.nn import functional as F

    model = build_starter(name)
    model.load_state_dict({key: value.float() for key, value in _load(name).items()})
    model.eval()
    ramp = torch.linspace(-1, 1, INPUT_SIZE_PX)
    stripes = torch.sin(ramp * 40).expand(3, INPUT_SIZE_PX, INPUT_SIZE_PX)
    gradient = ramp[:, None].expand(3, INPUT_SIZE_PX, INPUT_SIZE_PX)
    noisy = stripes + 0.02 * torch.randn(stripes.shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model(torch.stack([stripes, gradient, noisy]))
    assert features.shape == (3, STARTERS[name].feature_count)
    assert bool(torch.isfinite(features).all())
    apart = F.cosine_similarity(features[0], features[1], dim=0)
    alike = F.cosine_similarity(features[0], features[2], dim=0)
    assert apart < 0.9 * alike


@pytest.mark.parametrize("size_px", [96, 160])
def test_other_sizes_work(name: str, size_px: int) -> None:
    import torch

    overrides = {"img_size": size_px} if STARTERS[name].family == "vit" else {}
    model = build_starter(name, num_classes=5, **overrides).eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, 3, size_px, size_px)).shape == (1, 5)


def test_package_needs_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, models.starter, models.starter.architectures; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_views_stay_on_the_canvas_and_cover_every_picture() -> None:
    from models.starter.views import SOURCE_PX, sample_views

    indices, windows = sample_views(400, 400, np.random.default_rng(0))
    assert sorted(indices[:, 0]) == list(range(400))
    for center, extent in ((windows[:, 0], windows[:, 2]), (windows[:, 1], windows[:, 3])):
        assert (center - extent / 2 >= -1e-3).all()
        assert (center + extent / 2 <= 2 * SOURCE_PX + 1e-3).all()
    is_single = windows[:, 2] <= SOURCE_PX
    assert 0.5 < is_single.mean() < 0.8
    assert (windows[is_single, 0] + windows[is_single, 2] / 2 <= SOURCE_PX + 1e-3).all()


def test_rendering_a_whole_picture_returns_it_and_mirrors_it() -> None:
    from models.starter.views import SOURCE_PX, render

    pictures = np.random.default_rng(0).integers(0, 256, (4, 3, SOURCE_PX, SOURCE_PX), dtype=np.uint8)
    indices = np.array([[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]])
    windows = np.array([[32, 32, 64, 64, 0], [32, 32, 64, 64, 1], [96, 96, 64, 64, 0]], np.float32)
    views = (render(pictures, indices, windows, SOURCE_PX).numpy() + 1) * 127.5
    assert np.abs(views[0] - pictures[0]).max() < 0.5
    assert np.abs(views[1] - pictures[0][:, :, ::-1]).max() < 0.5
    assert np.abs(views[2] - pictures[3]).max() < 0.5


def test_augmentation_is_repeatable_and_keeps_ranges() -> None:
    import torch

    from models.starter.augment import Targets, augment

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
    import torch

    from models.starter.muon import orthogonalized

    for shape in ((24, 60), (60, 24)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        values = torch.linalg.svdvals(orthogonalized(matrix))
        assert 0.5 < float(values.min()) <= float(values.max()) < 1.4
