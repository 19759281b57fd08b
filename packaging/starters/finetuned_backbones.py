"""Two or more backbones fine-tuned alike: the same images, input size, epochs and seeds, by a short plain loop.

AdamW at the method's own rate for the network, warm-up of a tenth and cosine, batch 16, crops of 60 to 100 % of the
area and no mirror (hands have a side), label smoothing .1, the last epoch counts. Test: up to 600 held-out images.
Prints one line per run: top-1, a standard error (sqrt(p (1 - p) / n)) and the seconds of training.

    python packaging/starters/finetuned_backbones.py --data ../shared/data --backbones hybrid_vit starter_vit
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from models.catalog import BACKBONES
from models.classifier import Classifier, build_classifier
from models.methods.table import METHODS
from visionft.data.decode import decode
from visionft.weights.weights_loading import weights_loader

SETS = ("trashnet", "sign_digits")
SUFFIXES = {".jpg", ".jpeg", ".png"}
BATCH, TEST_COUNT, WARM_UP_SHARE, WEIGHT_DECAY, SMOOTHING = 16, 600, 0.1, 0.05, 0.1


def load(folder: Path, size_px: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return drawn images squeezed to squares, uint8 (N, 3, S, S), and their class indices, (N,)."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [
        (path, index)
        for index, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    drawn = [found[row] for row in np.random.default_rng(seed).permutation(len(found))[:count]]
    images = []
    for path, _ in drawn:
        pixels = torch.from_numpy(decode(path, max_side=2 * size_px).copy()).permute(2, 0, 1)[None].float()
        images.append(F.interpolate(pixels, (size_px, size_px), mode="bicubic", antialias=True).clamp(0, 255).byte())
    return torch.cat(images), torch.tensor([index for _, index in drawn])


def crops(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random window of 60 to 100 % of the area of each image, at the image's size."""
    count, side = len(images), torch.rand(len(images), generator=generator).mul(0.4).add(0.6).sqrt()
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = side
    theta[:, :, 2] = (torch.rand(count, 2, generator=generator) * 2 - 1) * (1 - side)[:, None]
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def normalise(classifier: Classifier, images: Tensor) -> Tensor:
    """Map uint8 images to the network's input."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in classifier.backbone.normalisation)
    return ((images.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def train(classifier: Classifier, images: Tensor, labels: Tensor, *, rate: float, epochs: int, seed: int) -> None:
    """Fine-tune in place."""
    generator = torch.Generator().manual_seed(seed)
    groups = classifier.parameter_groups(WEIGHT_DECAY)
    optimizer = torch.optim.AdamW(groups, lr=rate)
    steps_an_epoch = len(images) // BATCH
    total = steps_an_epoch * epochs
    classifier.train()
    orders = [torch.randperm(len(images), generator=generator) for _ in range(epochs)]
    for step in range(total):
        rows = orders[step // steps_an_epoch][(step % steps_an_epoch) * BATCH :][:BATCH]
        share = min((step + 1) / (WARM_UP_SHARE * total), 0.5 * (1 + math.cos(math.pi * step / total)))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"] * share
        logits = classifier(crops(normalise(classifier, images[rows]), generator))
        F.cross_entropy(logits, labels[rows], label_smoothing=SMOOTHING).backward()
        torch.nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@torch.inference_mode()
def accuracy(classifier: Classifier, images: Tensor, labels: Tensor) -> float:
    """Return the top-1 on images."""
    classifier.eval()
    parts = [classifier(normalise(classifier, part)).argmax(1) for part in images.split(50)]
    return float((torch.cat(parts) == labels).float().mean())


def main() -> None:
    """Train every backbone with every seed on every set, and print as they end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the sets")
    parser.add_argument("--backbones", nargs="+", required=True, choices=sorted(BACKBONES))
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--methods", nargs="+", default=["full"], choices=sorted(METHODS))
    parser.add_argument("--train", type=int, default=300, help="images to train on")
    parser.add_argument("--size", type=int, default=128, help="side of the input in pixels")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print("| set | method | backbone | seed | top-1 | s.e. | seconds |\n|---|---|---|---|---|---|---|")
    for set_name in arguments.sets:
        for seed in arguments.seeds:
            images, labels = load(arguments.data / set_name, arguments.size, arguments.train + TEST_COUNT, seed)
            own, rest = slice(0, arguments.train), slice(arguments.train, None)
            for method in (METHODS[name] for name in arguments.methods):
                for backbone in (BACKBONES[name] for name in arguments.backbones):
                    classes, start = int(labels.max()) + 1, time.monotonic()
                    classifier = build_classifier(
                        backbone,
                        method,
                        classes=classes,
                        weights=weights_loader(),
                        shape=(arguments.size, arguments.size),
                        seed=seed,
                    ).to_device("cpu")
                    rate = method.peak_rate(backbone.shape, method.options())
                    train(classifier, images[own], labels[own], rate=rate, epochs=arguments.epochs, seed=seed)
                    spent = time.monotonic() - start
                    top1 = accuracy(classifier, images[rest], labels[rest])
                    error = math.sqrt(top1 * (1 - top1) / len(labels[rest]))
                    row = [
                        set_name,
                        method.name,
                        backbone.name,
                        str(seed),
                        f"{top1:.3f}",
                        f"{error:.3f}",
                        f"{spent:.0f}",
                    ]
                    print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
