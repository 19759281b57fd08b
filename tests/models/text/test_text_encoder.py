"""The text encoder with tiny random weights: open_clip's own outputs, in batches, and refusals."""

import sys
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import load_file

from models.catalog import BACKBONES
from models.networks import build_network
from models.text import text_encoder
from models.text.class_texts import all_texts
from models.text.text_encoder import open_text_side, tokenizer_for
from models.weights.weights_loading import load_weights
from visionft.core.errors import WeightsError

TEXTS = ["a photo of a glass.", "A jar!", "cardboard box", "a photo of a glass."]


def both_sides(name: str, weights: Path):
    """Return open_clip's own model of both sides, read from a tiny file."""
    from open_clip.model import CustomTextCLIP

    row = BACKBONES[name]
    assert row.text
    small = {"image_size": 64, "timm_model_name": "test_vit", "timm_pool": "avg"}
    bias = {"init_logit_bias": 0.0} if row.text.is_sigmoid else {}
    model = CustomTextCLIP(row.text.embedding, small, dict(row.text.settings), **bias)
    model.visual.trunk = build_network(row, classes=row.text.embedding if row.text.is_projected else 0, shape=(64, 64))
    model.visual.head = torch.nn.Sequential()
    model.load_state_dict(load_file(weights))
    return model.eval()


@pytest.mark.parametrize("name", ["tiny_clip", "tiny_siglip"])
def test_images_and_texts_are_compared_as_open_clip_does(name: str, weights_home: Path, request) -> None:
    request.getfixturevalue(name)
    path, row = weights_home / f"{name}.safetensors", BACKBONES[name]
    model, encoder = both_sides(name, path), open_text_side(row)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    network = build_network(row, classes=5, shape=(64, 64)).eval()
    report = load_weights(network, row, path)
    with torch.no_grad():
        tokens = tokenizer_for(row.text, weights_home / f"{name}.tokenizer.json")(TEXTS)
        expected = model.get_logits(images, tokens)[0]
        features = network.forward_head(network.forward_features(images), pre_logits=True)
    space = encoder.space
    logits = space.scale * space.directions(features) @ encoder.encode(TEXTS).T + space.bias
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    assert report.head_classes == 0 and all(each.startswith("head.") for each in report.left_out)


@pytest.mark.parametrize("name", ["pe_core_s", "siglip2_b"])
def test_the_real_files_names_are_those_that_are_read(name: str) -> None:
    """Shapes and names of both sides as open_clip makes them, without memory."""
    row = BACKBONES[name]
    assert row.text
    config, tower = open_clip.get_model_config(row.text.architecture), row.text
    vision, settings = config["vision_cfg"], config["text_cfg"]
    assert (vision["timm_model_name"], vision["image_size"]) == (row.architecture, row.input_size)
    assert dict(tower.settings) == {key: value for key, value in settings.items() if "tokenizer" not in key}
    assert tower.embedding == config["embed_dim"] and tower.is_projected == (vision["timm_proj"] is None)
    assert tower.is_sigmoid == ("init_logit_bias" in config)
    canonicalises = settings.get("tokenizer_kwargs", {}).get("clean") == "canonicalize"
    assert (tower.tokenizer == "siglip") == canonicalises
    preprocess = open_clip.get_pretrained_cfg(row.text.architecture, "webli" if row.text.is_sigmoid else "meta")
    assert preprocess["hf_hub"] == f"{row.hub_id}/" and preprocess["interpolation"] == row.interpolation
    assert (preprocess["mean"], preprocess["std"]) == row.normalisation
    with torch.device("meta"):
        classes = tower.embedding if tower.is_projected else 0
        trunk = build_network(row, classes=classes, shape=row.input_shape())
        text = text_encoder.build_text_network(row.text)
    parameters = sum(value.numel() for value in (*trunk.parameters(), *text.parameters())) + 1 + row.text.is_sigmoid
    assert row.text.parameters == sum(value.numel() for value in text.parameters())
    if row.pin.bytes:
        assert 0 < row.pin.bytes - 4 * parameters < 100_000  # the header


def test_a_class_is_the_direction_of_the_mean_of_its_texts(tiny_clip: str) -> None:
    encoder = open_text_side(BACKBONES[tiny_clip])
    classes = all_texts(("glass", "jar"), (("a bottle", "a {}"), ()), "photo")
    points = encoder.class_points(classes).points
    for point, each in zip(points, classes, strict=True):
        mean = encoder.encode(each.texts).mean(dim=0)
        torch.testing.assert_close(point, mean / mean.norm())


def test_missing_files_are_named_with_where_they_belong(
    tiny_siglip: str, weights_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (weights_home / f"{tiny_siglip}.tokenizer.json").unlink()
    with pytest.raises(WeightsError) as caught:
        open_text_side(BACKBONES[tiny_siglip])
    assert all(each in str(caught.value) for each in ("tokenizer.json", f"timm/{tiny_siglip}", str(weights_home)))
    (weights_home / f"{tiny_siglip}.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"open_clip_model\.safetensors.*timm/tiny_siglip"):
        open_text_side(BACKBONES[tiny_siglip])


def test_prompts_and_templates_load_neither_torch_nor_open_clip() -> None:
    import subprocess

    modules = "models.text.class_texts, models.backbone"
    code = f"import sys, {modules}; print({{'torch', 'open_clip'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
