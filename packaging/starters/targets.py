"""The teacher's outputs for a fixed set of views, computed once and shared by both students.

Follows "A Fast Knowledge Distillation Framework for Visual Recognition" (arXiv 2112.01528): random windows are drawn
first, the teacher sees each once, and students revisit them with new colours, sizes, mirrors and mixtures. A cache is a
folder of *shards*, one window per image each, so more can be added while students already train.
Run ``targets.py --data ... --teacher ... --cache ... --shards 6``.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from students import MEAN, STD
from views import load_images, render, sample_views

logger = logging.getLogger(__name__)

TEACHER_PX = 160
MAP_CHANNELS = 320
POOLED_CHANNELS = 1280
BATCH = 100

assert MEAN == STD == (0.5, 0.5, 0.5), "render() scales images to -1..1"


@dataclass(frozen=True)
class Shard:
    """One view per image and the teacher's outputs, all memory maps with the same first axis.

    Attributes:
        indices: Images of each view, int32 ``(N, 4)``.
        windows: Windows of each view, float32 ``(N, 5)``.
        maps: Teacher feature map before its last 1 x 1 convolution, float16 ``(N, 320, 5, 5)``.
        pooled: Teacher pooled features, float16 ``(N, 1280)``.
    """

    indices: np.ndarray
    windows: np.ndarray
    maps: np.ndarray
    pooled: np.ndarray


def load_teacher(path: Path) -> Any:
    """Load the MobileNetV2 teacher in evaluation mode, in channels-last order."""
    teacher: Any = timm.create_model("mobilenetv2_100", pad_type="same")
    state = load_file(path)
    teacher.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    )
    return teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _blocks(teacher: Any, views: torch.Tensor) -> torch.Tensor:
    return teacher.blocks(teacher.bn1(teacher.conv_stem(views)))


def write_shard(folder: Path, number: int, images: np.ndarray, teacher: Any, *, device: str) -> None:
    """Draw one view per image, run the teacher and write shard ``number``; its seed is its number."""
    partial, final = folder / f"shard_{number:02d}.partial", folder / f"shard_{number:02d}"
    partial.mkdir(parents=True, exist_ok=True)
    count = len(images)
    indices, windows = sample_views(count, count, np.random.default_rng([2024, number]))
    map_px = TEACHER_PX // 32
    maps = _create(partial / "maps.npy", (count, MAP_CHANNELS, map_px, map_px))
    pooled = _create(partial / "pooled.npy", (count, POOLED_CHANNELS))
    start = time.monotonic()
    for at in range(0, count, BATCH):
        part = slice(at, at + BATCH)
        views = render(images, indices[part], windows[part], TEACHER_PX)
        views = views.to(device, memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16):
            last = _blocks(teacher, views)
            top = teacher.global_pool(teacher.bn2(teacher.conv_head(last)))
        maps[part] = last.to(torch.float16).cpu().numpy()
        pooled[part] = top.to(torch.float16).cpu().numpy()
        if at % (BATCH * 100) == 0:
            rate = (at + BATCH) / (time.monotonic() - start)
            logger.info("shard %d: %d of %d, %.0f views/s", number, at, count, rate)
    maps.flush()
    pooled.flush()
    np.save(partial / "indices.npy", indices)
    np.save(partial / "windows.npy", windows)
    partial.replace(final)


def _create(path: Path, shape: tuple[int, ...]) -> np.memmap:
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)


def open_shards(folder: Path) -> list[Shard]:
    """Open all finished shards in ``folder``, by number."""
    finished = sorted(path for path in folder.glob("shard_*") if path.suffix != ".partial")
    names = ("indices", "windows", "maps", "pooled")
    return [Shard(*(np.load(path / f"{name}.npy", mmap_mode="r") for name in names)) for path in finished]


def main() -> None:
    """Write the missing ones of the requested shards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train_*.npz")
    parser.add_argument("--teacher", type=Path, required=True, help="safetensors file of the teacher")
    parser.add_argument("--cache", type=Path, required=True, help="folder for decoded images and shards")
    parser.add_argument("--shards", type=int, nargs="+", required=True, help="shard numbers to write")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = load_images(arguments.data, arguments.cache)
    teacher = load_teacher(arguments.teacher).to(device)
    for number in arguments.shards:
        if not (arguments.cache / f"shard_{number:02d}").exists():
            write_shard(arguments.cache, number, images, teacher, device=device)


if __name__ == "__main__":
    main()
