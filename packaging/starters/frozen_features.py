"""Accuracy of frozen features on two unseen sets: single layers, and joined layers.

A layer's features are its means over positions, their square root where none is negative. Joined layers are
concatenated, each centred, divided by one scale and by the root of its width (the idea: Head2Toe, arXiv:2201.03529).
1,200 images drawn with seed 0 (``--images 0``: all), of them 900 train and 300 test, five divisions (seeds 0 to 4):
top-1 of a GDA with shared covariance (shrinkage .2) and of a cosine kNN of 10 neighbours, mean and standard deviation
over the divisions; milliseconds per image of the network alone, the mean over all batches and the fastest batch.

A layer is any module by its name in the network, such as ``layer3``, ``blocks.3`` or ``patch_embed.backbone.layer2``.

``python packaging/starters/frozen_features.py --network cntk_resnet18 --layers layer2,layer3,layer4 --data ...``
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import models
from models.catalog import BACKBONES
from models.networks import build_network
from visionft.data.decode import decode
from visionft.data.preprocess import PreprocessConfig

SETS = ("trashnet", "sign_digits")
SUFFIXES = {".jpg", ".jpeg", ".png"}
TRAIN_COUNT, TEST_COUNT, DIVISIONS = 900, 300, 5
SHRINKAGE, NEIGHBOURS = 0.2, 10
BATCH = 50
IMAGENET_STD = (0.229, 0.224, 0.225)
CNTK = ((0.4829, 0.4545, 0.4042), IMAGENET_STD)
HALF = ((0.5,) * 3, (0.5,) * 3)
# Networks besides the starters: their definition in timm, their file under --data, mean and standard deviation.
OTHERS: dict[str, tuple[dict[str, Any], str, tuple[Any, Any]]] = {
    "cntk_resnet18": (
        {"model_name": "resnet18", "layers": [2, 2, 2, 3]},
        "pretrained/cntk_resnet18_in1k.safetensors",
        CNTK,
    ),
    "efficientnet_lite2": (
        {"model_name": "tf_efficientnet_lite2"},
        "teacher/tf_efficientnet_lite2_in1k.safetensors",
        ((0.498,) * 3, (0.502,) * 3),
    ),
}


BUNDLED = [name for name, row in BACKBONES.items() if row.bundled]


def build(name: str, data: Path, weights: Path | None, size_px: int) -> tuple[Any, tuple[Any, Any], Path]:
    """Build a network without a head for inputs of `size_px`; return it, its normalisation and its weights file."""
    network: Any
    if name in OTHERS:
        arguments, file, normalisation = OTHERS[name]
        network, path = timm.create_model(**arguments, num_classes=0), weights or data / file
    else:
        row = BACKBONES[name]
        network, normalisation = build_network(row, classes=0, shape=(size_px, size_px)), row.normalisation
        path = weights or Path(models.__path__[0]) / row.bundled
    state = {key: value.float() for key, value in load_file(path).items() if not key.startswith("classifier.")}
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert not unexpected and all(key.endswith("num_batches_tracked") for key in missing), (missing, unexpected)
    return network.eval().to(memory_format=torch.channels_last), normalisation, path


def files_of(folder: Path, count: int) -> tuple[list[Path], np.ndarray]:
    """Return `count` drawn images (0: all) of a folder of class folders, and their class indices."""
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = [
        (path, index)
        for index, name in enumerate(classes)
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() in SUFFIXES
    ]
    drawn = np.random.default_rng(0).permutation(len(found))[: count or None]
    return [found[row][0] for row in drawn], np.array([found[row][1] for row in drawn])


def pooled(output: torch.Tensor) -> torch.Tensor:
    """Return means over positions of a map (B, C, H, W) or of tokens (B, N, C); pooled features as they are."""
    return output.mean((2, 3)) if output.ndim == 4 else output.mean(1) if output.ndim == 3 else output


@torch.inference_mode()
def extract(
    network: Any, layers: list[str], files: list[Path], preprocessing: PreprocessConfig
) -> tuple[dict[str, np.ndarray], tuple[float, float]]:
    """Return each layer's pooled features, (N, C), and the network's milliseconds an image, mean and least."""
    kept: dict[str, list[np.ndarray]] = {name: [] for name in layers}

    def keep(name: str) -> Any:
        return lambda _module, _inputs, output: kept[name].append(pooled(output).numpy())

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in layers]
    spent_ms: list[float] = []
    for at in range(0, len(files), BATCH):
        images = [
            preprocessing.apply(decode(file, max_side=2 * preprocessing.height)) for file in files[at : at + BATCH]
        ]
        batch = torch.stack(images).contiguous(memory_format=torch.channels_last)
        start = time.perf_counter()
        network(batch)
        spent_ms.append(1000 * (time.perf_counter() - start) / len(images))
    for hook in hooks:
        hook.remove()
    features = {name: np.concatenate(values).astype(np.float64) for name, values in kept.items()}
    return features, (float(np.mean(spent_ms)), min(spent_ms))


def cached(
    name: str,
    set_name: str,
    size_px: int,
    *,
    layers: list[str],
    data: Path,
    weights: Path | None,
    cache: Path | None,
    count: int,
) -> tuple[dict[str, np.ndarray], np.ndarray, tuple[float, float]]:
    """Return features, class indices and milliseconds; from `cache` where it holds them."""
    network, (mean, std), path = build(name, data, weights, size_px)
    files, class_index = files_of(data / set_name, count)
    tag = hashlib.sha256(path.read_bytes() + repr((sorted(layers), count)).encode()).hexdigest()[:12]
    kept = cache / f"{name}-{set_name}-{size_px}-{tag}.npz" if cache else None
    if kept and kept.exists():
        with np.load(kept) as content:
            return {layer: content[layer] for layer in layers}, class_index, tuple(content["ms"])
    preprocessing = PreprocessConfig(
        height=size_px, width=size_px, crop_share=1.0, interpolation="bicubic", mean=mean, std=std
    )
    features, ms = extract(network, layers, files, preprocessing)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, ms=ms, **features)  # pyright: ignore[reportArgumentType]
    return features, class_index, ms


def joined(parts: list[np.ndarray], train: np.ndarray) -> np.ndarray:
    """Concatenate layers, (N, sum of C): each centred and scaled by the statistics of the training images (rows)."""
    result = []
    for part in parts:
        values = np.sqrt(part) if part.min() >= 0 else part
        centred = values - values[train].mean(0)
        result.append(centred / np.sqrt((centred[train] ** 2).mean()) / np.sqrt(values.shape[1]))
    return np.concatenate(result, 1)


def gda(features: np.ndarray, class_index: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the test top-1 of Gaussian classes with one covariance, shrunk towards a multiple of the identity."""
    classes, own = class_index.max() + 1, class_index[train]
    means = np.stack([features[train][own == index].mean(0) for index in range(classes)])
    residuals = features[train] - means[own]
    covariance = residuals.T @ residuals / len(train)
    width = len(covariance)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / width * np.eye(width)
    weight = np.linalg.solve(covariance, means.T)  # (D, C)
    bias = np.log(np.bincount(own, minlength=classes) / len(train)) - 0.5 * (means.T * weight).sum(0)
    return float(((features[test] @ weight + bias).argmax(1) == class_index[test]).mean())


def knn(features: np.ndarray, class_index: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the test top-1 of the votes of the nearest neighbours by cosine, each weighted by its similarity."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    similarity = unit[test] @ unit[train].T
    nearest = np.argsort(-similarity, 1)[:, :NEIGHBOURS]
    votes = np.eye(class_index.max() + 1)[class_index[train][nearest]]  # (T, K, C)
    weights = np.take_along_axis(similarity, nearest, 1).clip(0)
    return float(((votes * weights[:, :, None]).sum(1).argmax(1) == class_index[test]).mean())


def scores(parts: list[np.ndarray], class_index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation over the divisions of (GDA, kNN)."""
    rows = []
    for seed in range(DIVISIONS):
        order = np.random.default_rng(seed).permutation(len(class_index))
        train, test = order[:TRAIN_COUNT], order[TRAIN_COUNT : TRAIN_COUNT + TEST_COUNT]
        features = joined(parts, train)
        rows.append((gda(features, class_index, train, test), knn(features, class_index, train, test)))
    return np.mean(rows, 0), np.std(rows, 0)


def main() -> None:
    """Print one row for each set, size, layer and join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the sets")
    parser.add_argument("--network", required=True, choices=sorted({*OTHERS, *BUNDLED}))
    parser.add_argument("--weights", type=Path, help="another file than the network's own")
    parser.add_argument("--layers", required=True, help="names of modules, comma between")
    parser.add_argument("--join", nargs="*", default=[], help="layers to join, comma between; else all of them")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--sizes", type=int, nargs="+", default=(160, 224))
    parser.add_argument("--images", type=int, default=TRAIN_COUNT + TEST_COUNT, help="drawn of each set; 0: all")
    parser.add_argument("--cache", type=Path, help="folder to keep features in")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    layers = arguments.layers.split(",")
    joins = [join.split(",") for join in arguments.join] or ([layers] if len(layers) > 1 else [])
    print("| network | layers | set | px | GDA | kNN | ms an image |\n|---|---|---|---|---|---|---|")
    for set_name in arguments.sets:
        for size_px in arguments.sizes:
            features, class_index, ms = cached(
                arguments.network,
                set_name,
                size_px,
                layers=layers,
                data=arguments.data,
                weights=arguments.weights,
                cache=arguments.cache,
                count=arguments.images,
            )
            for chosen in [[layer] for layer in layers] + joins:
                mean, spread = scores([features[layer] for layer in chosen], class_index)
                cells = [f"{mean[i]:.3f} ({spread[i]:.3f})" for i in range(2)] + [f"{ms[0]:.1f}, {ms[1]:.1f}"]
                row = [arguments.network, " + ".join(chosen), set_name, str(size_px), *cells]
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
