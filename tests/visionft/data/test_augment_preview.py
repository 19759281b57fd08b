"""Variants of an image, drawn in a process of their own: the run's own augmentation, without torch."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.catalog import BACKBONES
from visionft.data.augment import build_augment
from visionft.data.augment_preview import PreviewProcess, PreviewRequest, render
from visionft.data.decode import decode
from visionft.data.preprocess import PreprocessConfig
from visionft.errors import VisionFTError


@pytest.fixture
def request_for(image_folder: Path) -> PreviewRequest:
    image = next(image_folder.rglob("*.png"))
    how = PreprocessConfig.for_backbone(BACKBONES["test_vit"], (24, 24))
    return PreviewRequest(path=image, augmentation="medium", preprocessing=how, near_side=48, seeds=(1, 2, 3))


def test_variants_are_what_training_would_see(request_for: PreviewRequest) -> None:
    shown = render(request_for)
    augment = build_augment("medium", (24, 24))
    for pixels, seed in zip(shown, request_for.seeds, strict=True):
        assert np.array_equal(pixels, augment(decode(request_for.path), seed))
    assert not np.array_equal(shown[0], shown[1])


def test_no_augmentation_shows_the_centre(request_for: PreviewRequest, tmp_path: Path) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:30, 20:40] = 200  # the middle third or so
    Image.fromarray(image).save(tmp_path / "p.png")
    how = replace(request_for.preprocessing, height=20, width=20, crop_share=0.5)
    plain = {"augmentation": "none", "preprocessing": how, "near_side": 400, "seeds": (0,)}
    (shown,) = render(replace(request_for, path=tmp_path / "p.png", **plain))
    assert shown.shape == (20, 20, 3) and (shown == 200).all()


@pytest.mark.slow
def test_the_process_draws_the_same_and_survives_a_bad_image(request_for: PreviewRequest, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    previews = PreviewProcess()
    try:
        first = previews.render(request_for)
        assert all(np.array_equal(a, b) for a, b in zip(first, render(request_for), strict=True))
        with pytest.raises(VisionFTError, match="bad.png"):
            previews.render(replace(request_for, path=tmp_path / "bad.png"))
        (process,) = [each for each in multiprocessing.active_children() if each.name == "VisionFT preview"]
        os.kill(process.pid, signal.SIGTERM)
        process.join()
        assert len(previews.render(request_for)) == 3
    finally:
        previews.close()
    assert not [each for each in multiprocessing.active_children() if each.name == "VisionFT preview"]
