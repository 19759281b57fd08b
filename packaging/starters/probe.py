"""Linear probe of the starter backbones: accuracy of their frozen features on unseen images.

Protocol: 1,200 images drawn with seed 0, 900 to fit and 300 to test; images resized to a square; features standardised;
ridge classifier on one-hot targets, best of three strengths. Prints one row per backbone, its weights and random
weights, and one column per set and input size.

``probe.py --data ../shared/data``
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from students import STUDENTS, build_student
from torch import nn

from models.catalog import BACKBONES

MODELS = Path(__file__).parents[2] / "models"
SETS = ("trashnet", "sign_digits")
SIZES_PX = (96, 128, 160)
TRAIN_COUNT, TEST_COUNT = 900, 300
STRENGTHS = (10.0, 100.0, 1000.0)
SUFFIXES = {".jpg", ".jpeg", ".png"}
BARS = {"starter_resnet": (0.72, 0.90), "starter_vit": (0.68, 0.75)}


def load_set(folder: Path) -> tuple[list[Image.Image], np.ndarray]:
    """Return the drawn images, in order, and their class indices."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [
        (path, index)
        for index, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    drawn = np.random.default_rng(0).permutation(len(files))[: TRAIN_COUNT + TEST_COUNT]
    images = []
    for index in drawn:
        image = Image.open(files[index][0])
        image.draft("RGB", (512, 512))
        image = ImageOps.exif_transpose(image).convert("RGB")
        image.thumbnail((512, 512))
        images.append(image)
    return images, np.array([files[index][1] for index in drawn])


@torch.inference_mode()
def extract(model: nn.Module, images: list[Image.Image], size_px: int) -> np.ndarray:
    """Return pooled features, ``(N, F)``."""
    features = []
    for start in range(0, len(images), 60):
        resized = [np.asarray(image.resize((size_px, size_px))) for image in images[start : start + 60]]
        batch = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2).float() / 127.5 - 1
        features.append(model(batch).float().numpy())
    return np.concatenate(features).astype(np.float64)


def probe(features: np.ndarray, class_index: np.ndarray) -> float:
    """Return the test accuracy of the best of three ridge classifiers."""
    train, test = features[:TRAIN_COUNT], features[TRAIN_COUNT:]
    mean, std = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / std, (test - mean) / std
    targets = np.eye(class_index.max() + 1)[class_index[:TRAIN_COUNT]]
    gram, offset = train.T @ train, targets.mean(0)
    scores = []
    for strength in STRENGTHS:
        weight = np.linalg.solve(gram + strength * np.eye(len(gram)), train.T @ (targets - offset))
        badge = (test @ weight + offset).argmax(1)
        scores.append(float((badge == class_index[TRAIN_COUNT:]).mean()))
    return max(scores)


def mean_probe(features: np.ndarray, class_index: np.ndarray, count: int) -> float:
    """Return the mean accuracy over ``count`` other divisions of the same images into 900 and 300."""
    orders = [np.random.default_rng(100 + seed).permutation(len(features)) for seed in range(count)]
    return float(np.mean([probe(features[order], class_index[order]) for order in orders]))


def build(name: str, weights: Path | None, size_px: int) -> nn.Module:
    """Build a starter for ``size_px`` with ``weights``, or random ones where ``None``."""
    torch.manual_seed(0)
    model: Any = build_student(name)
    if weights is not None:
        model.load_state_dict({key: value.float() for key, value in load_file(weights).items()})
    return model.eval()


def load_teacher(path: Path) -> nn.Module:
    """Load the teacher without its classifier."""
    teacher: Any = timm.create_model("mobilenetv2_100", pad_type="same")
    teacher.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    teacher.reset_classifier(0)
    return teacher.eval()


def main() -> None:
    """Probe the requested backbones and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the sets")
    parser.add_argument("--backbones", nargs="+", default=STUDENTS, choices=STUDENTS)
    parser.add_argument("--weights", type=Path, nargs="+", help="files to probe instead of the bundled one")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES_PX)
    parser.add_argument("--no-random", action="store_true", help="leave out random weights")
    parser.add_argument("--with-teacher", action="store_true", help="add the teacher at 224 px")
    parser.add_argument("--resplits", type=int, default=0, help="also average over that many other divisions")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    sets = {name: load_set(arguments.data / name) for name in SETS}
    print("| backbone | weights |" + "".join(f" {name} {'/'.join(map(str, arguments.sizes))} px |" for name in SETS))
    print("|---|---|" + "---|" * len(SETS))
    for name in arguments.backbones:
        files = list(arguments.weights or [MODELS / BACKBONES[name].bundled]) + [None] * (not arguments.no_random)
        for weights in files:
            models = {size_px: build(name, weights, size_px) for size_px in arguments.sizes}
            features = [
                [extract(models[size_px], images, size_px) for size_px in arguments.sizes]
                for images, _ in sets.values()
            ]
            labels = [labels for _, labels in sets.values()]
            cells = [[probe(item, index) for item in row] for row, index in zip(features, labels, strict=True)]
            text = "".join(f" {' / '.join(f'{value:.3f}' for value in row)} |" for row in cells)
            met = all(max(row[-2:]) >= bar for row, bar in zip(cells, BARS[name], strict=True))
            verdict = "" if weights is None else f" bars {'met' if met else 'missed'}: {BARS[name]}"
            print(f"| {name} | {weights.name if weights else 'random'} |{text}{verdict}", flush=True)
            if arguments.resplits and weights is not None:
                means = [
                    " / ".join(f"{mean_probe(item, index, arguments.resplits):.3f}" for item in row)
                    for row, index in zip(features, labels, strict=True)
                ]
                print(f"| | mean of {arguments.resplits} other divisions | {' | '.join(means)} |", flush=True)
    if arguments.with_teacher:
        teacher = load_teacher(arguments.data / "teacher" / "mobilenetv2_100_same_in1k.safetensors")
        row = [f"{probe(extract(teacher, images, 224), labels):.3f}" for images, labels in sets.values()]
        print(f"| teacher at 224 px | | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
