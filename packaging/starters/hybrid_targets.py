"""The hybrid ViT's training targets, computed once: its frozen embedding of fixed views, and two teachers' outputs.

The embedding is the ImageNet ResNet's stages 1 to 3, so the blocks can be trained on stored maps. The teachers are the
same ResNet's stage 4 and EfficientNet-Lite2. All see the same view ("function matching": Beyer et al. 2022,
arXiv:2106.05237). A cache is a folder of shards, as in ``targets``; most views are 128 px, every fourth shard is 160.
Run ``hybrid_targets.py --data ... --resnet ... --teacher ... --cache ... --shards 999 0 1 2 3``.
"""

from __future__ import annotations

import argparse
import datetime
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from views import load_images, render, sample_views

from models.catalog import BACKBONES

logger = logging.getLogger(__name__)

VIEWS_A_SHARD, BATCH = 500, 50
# The last images are never trained on; the shard with this number contains only those.
HELD_OUT_IMAGES, HELD_OUT_SHARD, HELD_OUT_VIEWS = 2000, 999, 750
SIZES_PX = (128, 128, 128, 160)
EMBED_CHANNELS, STAGE4_CHANNELS, STAGE2_CHANNELS = 256, 512, 128
TEACHER_CHANNELS, TEACHER_POOLED = 352, 1280
TEACHER_MEAN, TEACHER_STD = 0.498, 0.502


@dataclass(frozen=True)
class HybridShard:
    """Views and outputs of the frozen networks: memory maps with the same first axis, float16 except `indices`.

    Attributes:
        indices: Images of each view, int32 ``(N, 4)``, the main one first.
        windows: Windows of each view, ``(N, 5)``.
        embed: The ResNet's stage 3, ``(N, 256, H, H)``, H an eighth of 64 (128 px) or 10 (160 px).
        stage2: Its stage 2, mean over positions, ``(N, 128)``.
        stage4: Its stage 4, ``(N, 512, H / 2, H / 2)``.
        teacher: EfficientNet-Lite2's last map, ``(N, 352, H / 2, H / 2)``.
        pooled: Its pooled features, ``(N, 1280)``.
    """

    indices: np.ndarray
    windows: np.ndarray
    embed: np.ndarray
    stage2: np.ndarray
    stage4: np.ndarray
    teacher: np.ndarray
    pooled: np.ndarray


FIELDS = tuple(HybridShard.__dataclass_fields__)


def load_weights(network: Any, path: Path) -> Any:
    """Fill a network from a file of float16 matrices, frozen, in evaluation mode and channels-last order."""
    state = {key: value.float() if value.is_floating_point() else value for key, value in load_file(path).items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("num_batches_tracked") for name in missing)
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def load_resnet(path: Path) -> Any:
    """Load the ImageNet ResNet without a head."""
    return load_weights(timm.create_model("resnet18", layers=[2, 2, 2, 3], num_classes=0), path)


def load_efficientnet(path: Path) -> Any:
    """Load EfficientNet-Lite2 with its ImageNet classifier."""
    return load_weights(timm.create_model("tf_efficientnet_lite2"), path)


def for_resnet(views: torch.Tensor) -> torch.Tensor:
    """Normalise views in -1..1 for the ResNet."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in BACKBONES["hybrid_vit"].normalisation)
    return ((views + 1) / 2 - mean) / std


@torch.inference_mode()
def answers(views: torch.Tensor, resnet: Any, teacher: Any) -> dict[str, torch.Tensor]:
    """Return the `HybridShard` outputs for views in -1..1, ``(B, 3, S, S)``."""
    x = for_resnet(views).contiguous(memory_format=torch.channels_last)
    stage2, stage3, stage4 = resnet.forward_intermediates(x, indices=[2, 3, 4], intermediates_only=True)
    seen = (((views + 1) / 2 - TEACHER_MEAN) / TEACHER_STD).contiguous(memory_format=torch.channels_last)
    last = teacher.blocks(teacher.bn1(teacher.conv_stem(seen)))
    pooled = teacher.global_pool(teacher.bn2(teacher.conv_head(last)))
    return {"embed": stage3, "stage2": stage2.mean((2, 3)), "stage4": stage4, "teacher": last, "pooled": pooled}


def write_shard(folder: Path, number: int, images: np.ndarray, resnet: Any, teacher: Any) -> None:
    """Draw views, run the networks and write shard ``number``, also used as its seed."""
    partial, final = folder / f"hybrid_{number:03d}.partial", folder / f"hybrid_{number:03d}"
    partial.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([2026, number])
    border = len(images) - HELD_OUT_IMAGES
    is_held_out = number == HELD_OUT_SHARD
    count = HELD_OUT_VIEWS if is_held_out else VIEWS_A_SHARD
    indices, windows = sample_views(count, HELD_OUT_IMAGES if is_held_out else border, rng)
    indices += border if is_held_out else 0
    size_px, start = SIZES_PX[number % len(SIZES_PX)], time.monotonic()
    kept: dict[str, list[np.ndarray]] = {}
    for at in range(0, count, BATCH):
        part = slice(at, at + BATCH)
        mode = str(rng.choice(["bilinear", "bicubic"]))
        views = render(images, indices[part], windows[part], size_px, mode=mode).clamp_(-1, 1)
        for key, value in answers(views, resnet, teacher).items():
            kept.setdefault(key, []).append(value.to(torch.float16).contiguous().numpy())
    for key, values in kept.items():
        np.save(partial / f"{key}.npy", np.concatenate(values))
    np.save(partial / "indices.npy", indices)
    np.save(partial / "windows.npy", windows)
    partial.replace(final)
    logger.info("shard %d: %d px, %.1f views/s", number, size_px, count / (time.monotonic() - start))


def open_shard(path: Path) -> HybridShard:
    """Open one finished shard."""
    return HybridShard(*(np.load(path / f"{name}.npy", mmap_mode="r") for name in FIELDS))


def open_shards(folder: Path) -> list[HybridShard]:
    """Open all finished training shards in ``folder``, by number."""
    finished = sorted(path for path in folder.glob("hybrid_*") if path.suffix != ".partial")
    return [open_shard(path) for path in finished if path.name != f"hybrid_{HELD_OUT_SHARD}"]


def open_held_out(folder: Path) -> HybridShard:
    """Open the held-out shard of views, never trained on."""
    return open_shard(folder / f"hybrid_{HELD_OUT_SHARD}")


def main() -> None:
    """Write the missing ones of the requested shards until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train_*.npz")
    parser.add_argument("--resnet", type=Path, required=True, help="safetensors file of the ImageNet ResNet")
    parser.add_argument("--teacher", type=Path, required=True, help="safetensors file of EfficientNet-Lite2")
    parser.add_argument("--cache", type=Path, required=True, help="folder for decoded images and shards")
    parser.add_argument("--shards", type=int, nargs="+", required=True, help=f"numbers; {HELD_OUT_SHARD} is held out")
    parser.add_argument("--until", help="HH:MM, today, after which no further shard is begun")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(arguments.threads)
    images = load_images(arguments.data, arguments.cache)
    resnet, teacher = load_resnet(arguments.resnet), load_efficientnet(arguments.teacher)
    for number in arguments.shards:
        if arguments.until and datetime.datetime.now().strftime("%H:%M") >= arguments.until:
            return
        if not (arguments.cache / f"hybrid_{number:03d}").exists():
            write_shard(arguments.cache, number, images, resnet, teacher)


if __name__ == "__main__":
    main()
