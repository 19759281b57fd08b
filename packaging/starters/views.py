"""Random views of the pretraining images, rendered in batches.

A view is a window onto a 2 x 2 canvas of four images, so a window may lie inside one image (an ordinary random
crop) or span several (a mosaic, sharp at 128 px although the sources have only 64). Teacher and student
render the same window at their own sizes. Must not know about models.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

SOURCE_PX = 64
MOSAIC_SHARE = 0.35
# Per view: window centre x, y, width, height in canvas pixels, then 1.0 where mirrored.
WINDOW_FIELDS = 5


def load_images(data_folder: Path, cache_folder: Path) -> np.ndarray:
    """Return all images as a read-only memory map, decoding the archives on first use.

    Returns:
        uint8, shape ``(N, 3, 64, 64)``.
    """
    path = cache_folder / "pictures.npy"
    if not path.exists():
        cache_folder.mkdir(parents=True, exist_ok=True)
        parts = [_decode(archive) for archive in sorted(data_folder.glob("train_*.npz"))]
        if not parts:
            raise FileNotFoundError(f"No train_*.npz in {data_folder}")
        partial = path.with_suffix(f".{os.getpid()}.partial.npy")  # two processes starting at once do not share it
        np.save(partial, np.concatenate(parts))
        partial.replace(path)
    return np.load(path, mmap_mode="r")


def load_labels(data_folder: Path) -> np.ndarray:
    """Return the class index of every image, uint8 ``(N,)``, in the order of ``load_images``."""
    return np.concatenate([np.load(archive)["y"] for archive in sorted(data_folder.glob("train_*.npz"))])


def _decode(archive: Path) -> np.ndarray:
    with np.load(archive) as content:
        data, offsets = content["data"], content["off"]
    count = len(offsets) - 1
    images = np.empty((count, 3, SOURCE_PX, SOURCE_PX), np.uint8)
    for index in range(count):
        image = Image.open(io.BytesIO(data[offsets[index] : offsets[index + 1]].tobytes())).convert("RGB")
        images[index] = np.asarray(image).transpose(2, 0, 1)
    return images


def sample_views(count: int, image_count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw views with every image as the main one about equally often.

    Returns:
        Image indices, int32 ``(count, 4)``, the main image first (top left), and windows,
        float32 ``(count, WINDOW_FIELDS)``.
    """
    rounds = -(-count // image_count)
    main = np.concatenate([rng.permutation(image_count) for _ in range(rounds)])[:count]
    others = rng.integers(0, image_count, (count, 3))
    images = np.concatenate([main[:, None], others], axis=1).astype(np.int32)

    aspect = np.exp(rng.uniform(np.log(0.75), np.log(1.33), count))
    side = SOURCE_PX * np.sqrt(rng.uniform(0.2, 1.0, count))
    width = np.minimum(side * np.sqrt(aspect), SOURCE_PX)
    height = np.minimum(side / np.sqrt(aspect), SOURCE_PX)
    x = rng.uniform(0, 1, count) * (SOURCE_PX - width) + width / 2
    y = rng.uniform(0, 1, count) * (SOURCE_PX - height) + height / 2

    is_mosaic = rng.uniform(0, 1, count) < MOSAIC_SHARE
    canvas_px = 2 * SOURCE_PX
    mosaic_side = rng.uniform(SOURCE_PX * 1.1, canvas_px, count)
    mosaic_x = rng.uniform(0, 1, count) * (canvas_px - mosaic_side) + mosaic_side / 2
    mosaic_y = rng.uniform(0, 1, count) * (canvas_px - mosaic_side) + mosaic_side / 2
    windows = np.stack(
        [
            np.where(is_mosaic, mosaic_x, x),
            np.where(is_mosaic, mosaic_y, y),
            np.where(is_mosaic, mosaic_side, width),
            np.where(is_mosaic, mosaic_side, height),
            rng.integers(0, 2, count),
        ],
        axis=1,
    )
    return images, windows.astype(np.float32)


def render(
    images: np.ndarray, indices: np.ndarray, windows: np.ndarray, size_px: int, *, mode: str = "bilinear"
) -> torch.Tensor:
    """Render windows at ``size_px``.

    Args:
        images: All images, uint8 ``(N, 3, 64, 64)``.
        indices: int ``(B, 4)``, see ``sample_views``.
        windows: float32 ``(B, WINDOW_FIELDS)``.
        size_px: Side of the rendered views.
        mode: Interpolation of ``grid_sample``: ``bilinear``, ``bicubic`` or ``nearest``.

    Returns:
        float32 in about -1..1, shape ``(B, 3, size_px, size_px)``.
    """
    batch = len(indices)
    tiles = torch.from_numpy(images[indices.reshape(-1)]).view(batch, 2, 2, 3, SOURCE_PX, SOURCE_PX)
    canvas = tiles.permute(0, 3, 1, 4, 2, 5).reshape(batch, 3, 2 * SOURCE_PX, 2 * SOURCE_PX)
    canvas = canvas.float().mul_(1 / 127.5).sub_(1)

    window = torch.from_numpy(windows)
    # Bilinear sampling reads 2 x 2 pixels only, so a strongly shrunk window is rendered larger and averaged.
    shrink = 2 if float(window[:, 2].max()) > 1.4 * size_px else 1
    half = float(SOURCE_PX)
    theta = torch.zeros(batch, 2, 3)
    theta[:, 0, 0] = window[:, 2] / (2 * half) * (1 - 2 * window[:, 4])
    theta[:, 1, 1] = window[:, 3] / (2 * half)
    theta[:, 0, 2] = window[:, 0] / half - 1
    theta[:, 1, 2] = window[:, 1] / half - 1
    side = size_px * shrink
    grid = F.affine_grid(theta, [batch, 3, side, side], align_corners=False)
    views = F.grid_sample(canvas, grid, mode=mode, padding_mode="border", align_corners=False)
    return F.avg_pool2d(views, 2) if shrink == 2 else views
