"""Fitting: heads stay fresh, positions follow the image size, unsuitable weights name their network."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.linear import LinearOptions
from models.methods.table import METHODS
from visionft.errors import WeightsError
from visionft.weights.weights_loading import fitting_backbones, load_weights, weights_loader


def network(backbone: str = "test_vit", image_size: int = 64):
    method = METHODS["linear"]
    arguments = {"options": LinearOptions(layers="last"), "weights": None, "image_size": image_size, "seed": 2}
    return build_classifier(BACKBONES[backbone], method, classes=3, **arguments).network


@pytest.mark.parametrize("backbone", ["starter_resnet", "starter_vit"])
def test_the_starters_load_as_they_ship(backbone: str) -> None:
    built = build_classifier(BACKBONES[backbone], METHODS["lora"], classes=2, image_size=160, weights=weights_loader())
    assert built.loaded and built.loaded.sha256 == BACKBONES[backbone].sha256
    assert all(value.isfinite().all() for value in built.network.state_dict().values())


@pytest.mark.parametrize("classes", [1000, 3])
def test_the_head_stays_fresh_and_the_rest_is_loaded(classes: int, state_of, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    others = {"mask_token_of_a_decoder.weight": torch.zeros(3), "head_dist.weight": torch.zeros(1000, 64)}
    save_file(state_of("test_vit", classes=classes) | others, file)
    fresh = network()
    before = fresh.head.weight.clone()
    report = load_weights(fresh, BACKBONES["test_vit"], file)
    assert torch.equal(fresh.patch_embed.proj.weight, load_file(file)["patch_embed.proj.weight"])
    assert torch.equal(fresh.head.weight, before)
    assert report.head_classes == classes and set(report.left_out) == {"head.weight", "head.bias", *others}
    assert report.resized_from == 0 and report.bytes == file.stat().st_size


def test_position_embeddings_follow_the_image_size(saved: Path) -> None:
    larger = network(image_size=128)
    report = load_weights(larger, BACKBONES["test_vit"], saved)
    old, new = load_file(saved)["pos_embed"], larger.pos_embed
    assert new.shape[1] > old.shape[1] == report.resized_from
    # Interpolated, not left random: the mean embedding of the patches stays about the same.
    assert torch.allclose(new[:, 1:].mean(1), old[:, 1:].mean(1), atol=0.02)


def test_batch_norm_counters_may_be_missing(state_of, tmp_path: Path) -> None:
    state = {name: value for name, value in state_of("test_resnet").items() if "num_batches" not in name}
    save_file(state, tmp_path / "old.safetensors")
    assert load_weights(network("test_resnet"), BACKBONES["test_resnet"], tmp_path / "old.safetensors")


@pytest.mark.parametrize(
    ("extra", "shape"),
    [
        ("blocks.0.ls1.gamma", (64,)),
        ("blocks.6.norm1.weight", (64,)),
        ("dist_token", (64,)),
        ("patch_embed.proj.weight", (64, 3, 14, 14)),
    ],
)
def test_a_relative_is_not_cut_down_or_resampled_in_silence(extra: str, shape, saved: Path) -> None:
    save_file(load_file(saved) | {extra: torch.zeros(shape)}, saved)
    with pytest.raises(WeightsError, match=f"test_vit: .*{extra}"):
        load_weights(network(), BACKBONES["test_vit"], saved)


def test_weights_of_another_network_are_refused_with_what_they_fit(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"test_resnet: .*conv1\.0\.weight.*test_vit"):
        load_weights(network("test_resnet"), BACKBONES["test_resnet"], saved)
    save_file({"conv1.weight": torch.zeros(2, 3, 3, 3)}, saved)
    with pytest.raises(WeightsError, match="resnet18: .*resnet18"):
        load_weights(network("resnet18"), BACKBONES["resnet18"], saved)


@pytest.mark.slow
def test_every_backbone_is_known_by_its_own_tensors(state_of) -> None:
    twins = {"vit_small", "deit_small"}  # one architecture, two sets of weights
    for name, backbone in BACKBONES.items():
        with torch.device("meta"):
            state = state_of(name, image_size=backbone.input_size)
        found = {each.name for each in fitting_backbones(state)}
        assert found == (twins if name in twins else {name})
