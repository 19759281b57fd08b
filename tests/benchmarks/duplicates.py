"""Recall on planted copies among real images, and the number of false pairs; three seeds.

Copies are made of images drawn with the seed: halved, doubled, JPEG of quality 30, 60 and 90, 10 and 20 % of both sides
cut off, mirrored, turned by 90 degrees, brighter by 1.3, darker by .75, with a border of one colour, with a frame of
two, with two lines of text across, and imported with the set. Counted are pairs in one group at the check's own
threshold: recall by kind; precision over all, where a pair is correct if both were made of one original, or of
originals known as real duplicates (``REAL``: reviewed pair by pair).

``--candidates 100000`` measures the processor time of proposing pairs: hashes and features of images in loose groups of
near-duplicates. ``--keep FOLDER`` leaves projects there and reuses them: a second run computes nothing twice.

``python tests/benchmarks/duplicates.py ../shared/data/trashnet ../shared/data/sign_digits``
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from visionft.curation.check import Inputs
from visionft.curation.duplicates.candidates import candidate_pairs
from visionft.curation.duplicates.duplicate_check import Duplicates
from visionft.curation.duplicates.duplicate_groups import duplicate_groups
from visionft.curation.duplicates.fingerprints import ROW, Fingerprints, hashes_of
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

KINDS = (
    *("half", "double", "jpeg30", "jpeg60", "jpeg90", "crop10", "crop20", "mirror", "turned", "bright", "dark"),
    *("border", "frame", "text"),
)
MARK = "--copy-"  # between the name of an original and the kind
# Reviewed pairs of trashnet: the same shot, or the same thing shot twice in one place.
REAL = """
paper56 paper540, paper176 paper549, paper305 paper308, paper185 paper390, paper345 paper451, paper101 paper108,
metal50 metal120, paper457 paper553, paper2 paper40, paper89 paper474, paper135 paper496, paper68 paper74,
paper99 paper147, paper459 paper466, metal76 metal394, paper180 paper284, paper265 paper408, paper246 paper349,
metal141 metal390, paper136 paper148, paper522 paper534, paper123 paper547, paper53 paper314, paper152 paper392,
plastic118 plastic137, metal57 metal122, metal11 metal221, paper39 paper467, cardboard15 cardboard361,
glass115 metal91, glass176 plastic152, glass389 plastic332,
paper240 paper306, glass95 glass460, glass131 glass377, glass144 glass485, trash130 trash131, cardboard72 cardboard386
"""
IS_REAL = {frozenset(pair.split()) for pair in REAL.split(",")}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--each", type=int, default=20, help="copies of each kind")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--candidates", type=int, nargs="*", default=[])
    given = parser.parse_args()
    for count in given.candidates:
        propose(count)
    with tempfile.TemporaryDirectory() as temporary:
        for folder in given.folders:
            base = prepared(folder, given.keep or Path(temporary))
            for seed in given.seeds:
                measure(folder, base, seed, given.each)


def prepared(folder: Path, place: Path) -> Path:
    """Return a checked project of the set; a copy of it then compares only the planted images."""
    base = place / f"base-{folder.name}"
    if not base.exists():
        with Project.create(base) as project:
            import_source(project, folder)
    with Project.open(base) as project:
        Duplicates().run(Inputs(project.path, project.snapshot()))
    return base


def measure(folder: Path, base: Path, seed: int, each: int) -> None:
    """Plant copies, find duplicates, print one line per kind."""
    with tempfile.TemporaryDirectory() as temporary:
        plant(folder, Path(temporary) / "planted", seed, each)
        shutil.copytree(base, Path(temporary) / "project")
        with Project.open(Path(temporary) / "project") as project:
            import_source(project, Path(temporary) / "planted")
            start = time.process_time()
            images = project.snapshot()
            result = Duplicates().run(Inputs(project.path, images))
            seconds = time.process_time() - start
    stems = {image.image_id: (image.path.parent.name, *image.path.stem.split(MARK)) for image in images.images}
    pairs = [pair for group in duplicate_groups(result) for pair in combinations(group.image_ids, 2)]
    planted = Counter(stem[2] for stem in stems.values() if len(stem) > 2)
    found = Counter[str]()
    wrong: list[tuple[str, str]] = []
    for first, second in pairs:
        one, other = sorted((stems[first], stems[second]), key=len)
        if one[:2] == other[:2]:
            found.update(other[2:] if len(one) == 2 else ())
        elif frozenset((one[1], other[1])) not in IS_REAL:
            wrong.append(("/".join(one), "/".join(other)))
    easy = [kind for kind in KINDS if kind != "crop20"]
    recall = sum(found[kind] for kind in easy) / max(1, sum(planted[kind] for kind in easy))
    print(f"\n{folder.name}, seed {seed}: {len(images.images)} images, threshold {result.threshold:.3f}")
    print("  " + "  ".join(f"{kind} {found[kind] / max(1, planted[kind]):.2f}" for kind in KINDS))
    print(
        f"  recall {recall:.3f}, of crops by 20 % {found['crop20'] / max(1, planted['crop20']):.2f}, "
        f"precision {1 - len(wrong) / max(1, len(pairs)):.3f} of {len(pairs)} pairs, {seconds:.0f} s of processor"
    )
    for pair in wrong:
        print("  wrong:", *pair, flush=True)


def plant(folder: Path, place: Path, seed: int, each: int) -> None:
    """Write copies of images of a set, in its class folders."""
    rng = random.Random(seed)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    for number, path in enumerate(rng.sample(files, each * len(KINDS))):
        kind = KINDS[number % len(KINDS)]
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        quality = int(kind[4:]) if kind.startswith("jpeg") else 90
        (place / path.parent.name).mkdir(parents=True, exist_ok=True)
        copied(image, kind, rng).save(place / path.parent.name / f"{path.stem}{MARK}{kind}.jpg", quality=quality)


def copied(image: Image.Image, kind: str, rng: random.Random) -> Image.Image:
    """Return a copy of a kind."""
    width, height = image.size
    match kind:
        case "half":
            return image.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
        case "double":
            return image.resize((width * 2, height * 2), Image.Resampling.BICUBIC)
        case "crop10" | "crop20":
            part = 1 - int(kind[4:]) / 100
            w, h = round(width * part), round(height * part)
            x, y = rng.randint(0, width - w), rng.randint(0, height - h)
            return image.crop((x, y, x + w, y + h))
        case "mirror":
            return ImageOps.mirror(image)
        case "turned":
            return image.transpose(Image.Transpose.ROTATE_90)
        case "bright" | "dark":
            return ImageEnhance.Brightness(image).enhance(1.3 if kind == "bright" else 0.75)
        case "border" | "frame":
            colours = rng.sample(["white", "black", "#7f7f7f", "#28508c"], 2)
            bordered = ImageOps.expand(image, round(rng.uniform(0.05, 0.15) * min(image.size)), colours[0])
            return (
                bordered if kind == "border" else ImageOps.expand(bordered, max(2, min(image.size) // 50), colours[1])
            )
        case "text":
            return _lettered(image, rng)
    return image


def _lettered(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return an image with two lines of outlined text, each across most of its width."""
    image, draw_at = image.copy(), sorted(rng.uniform(0.1, 0.8) for _ in range(2))
    font = ImageFont.load_default(max(8, image.width // 9))
    for share, words in zip(draw_at, ("SAMPLE 2026", "do not copy"), strict=True):
        at = (image.width * rng.uniform(0.02, 0.2), image.height * share)
        ImageDraw.Draw(image).text(
            at, words, "white", font, stroke_width=max(1, image.width // 150), stroke_fill="black"
        )
    return image


def propose(count: int) -> None:
    """Print the processor time of proposing pairs among near-duplicates in groups of about fifty."""
    rng = np.random.default_rng(0)
    falling = 1 / (1 + np.hypot(*np.indices((8, 8)))) ** 1.2  # natural images have most in the lowest frequencies
    centres = rng.normal(size=(max(1, count // 50), 8, 8)) * falling
    rows = np.zeros(count, ROW)
    rows["contrast"] = 40
    for place in range(count):
        rows["hashes"][place] = hashes_of(centres[place % len(centres)] + 0.7 * rng.normal(size=(8, 8)) * falling)
    axes = rng.normal(size=(160, 896)).astype(np.float32) * (1 / np.arange(1, 161)[:, None])
    kinds = rng.normal(size=(len(centres), 160)).astype(np.float32)
    spread = kinds[np.arange(count) % len(centres)] + 0.7 * rng.normal(size=(count, 160)).astype(np.float32)
    vectors = spread @ axes
    vectors -= vectors.mean(axis=0)
    start, wall = time.process_time(), time.perf_counter()
    found = candidate_pairs(Fingerprints((), rows), np.arange(count), vectors)
    seconds = time.process_time() - start
    print(
        f"{count:,} images: {len(found):,} pairs proposed in {seconds:.0f} s of processor "
        f"({seconds / 2:.0f} s on two cores, {time.perf_counter() - wall:.0f} s passed here)",
        flush=True,
    )


if __name__ == "__main__":
    main()
