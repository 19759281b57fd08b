"""Recall of the quality check on planted faults, and the number of its false flags.

    python tests/benchmarks/quality.py ../shared/data/trashnet ../shared/data/sign_digits [--sheets OUT]

In each set of class folders, 29 kinds and strengths of faults replace 8 images each, in three draws. An image counts as
found if it is flagged for its own kind (an image so flat or bright as to be blank: as blank). A flagged image without a
planted fault counts as false, unless a reviewer found it bad (listed in `LOOKED_AT`). `--sheets` writes those as
contact sheets for review; `--store` keeps the measurements for the next run. Where cleanvision is installed (it is no
dependency), its flags on the first draw are printed next to ours; it does not get damaged files, because it stops at
them.
"""

import argparse
import hashlib
import io
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from visionft.curation.check import CheckResult, Inputs, Issue
from visionft.curation.quality.quality_check import Quality
from visionft.data.decode import IMAGE_SUFFIXES, decode
from visionft.data.types import Snapshot, SnapshotImage
from visionft.files import sha256_file

SEEDS, EACH = 3, 8
Pixels = np.ndarray
# Flagged without a planted fault, reviewed one by one: these flags are right.
LOOKED_AT: dict[str, dict[str, str]] = {
    "trashnet": {
        "blur": "cardboard236 metal355 glass468 metal237 plastic118 plastic137 plastic164 cardboard86 cardboard295 "
        "cardboard121 plastic149 metal168 glass294",
        "flat": "plastic147 plastic13 glass212 glass211 plastic2 plastic3 plastic150 glass178 glass13",
        "overexposed": "cardboard203",
    },
    "sign_digits": {"size": "IMG_5935 IMG_5978 IMG_5874"},
}


def jpeg(pixels: Pixels, *, mode: str = "RGB") -> bytes:
    """Return pixels as a JPEG file of good quality."""
    handle = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(handle, "JPEG", quality=90)
    return handle.getvalue()


def moved(pixels: Pixels, length: int, rng: np.random.Generator) -> Pixels:
    """Blur along a line of `length` pixels in a drawn direction."""
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), float(rng.uniform(0, 180)), 1)
    line = cv2.warpAffine(line, turn, (length, length))
    return cv2.filter2D(pixels, -1, line / line.sum(), borderType=cv2.BORDER_REFLECT)


def light(pixels: Pixels, factor: float, shift: float = 0.0) -> Pixels:
    """Scale and shift all values, clipped."""
    return np.clip(pixels.astype(np.float32) * factor + shift, 0, 255).astype(np.uint8)


def cropped(pixels: Pixels, height: float, width: float) -> Pixels:
    """Cut out the middle."""
    rows, columns = (max(24, round(side * part)) for side, part in zip(pixels.shape, (height, width), strict=False))
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def grown(pixels: Pixels, factor: float) -> Pixels:
    """Enlarge."""
    return cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def one_colour(pixels: Pixels, noise: float, rng: np.random.Generator) -> Pixels:
    """Return one colour, with noise of some levels."""
    return np.clip(rng.uniform(20, 235, 3) + rng.normal(0, max(noise, 1e-9), pixels.shape), 0, 255).astype(np.uint8)


def cut(content: bytes, rng: np.random.Generator, *, ended: bool = False) -> bytes:
    """Truncate a file, then close it as some programs do, as if nothing were missing."""
    return content[: int(len(content) * rng.uniform(0.3, 0.85))] + (b"\xff\xd9" if ended else b"")


def holed(content: bytes, rng: np.random.Generator) -> bytes:
    """Lose a sector in the middle of a file: zeros stand there."""
    start = int(len(content) * rng.uniform(0.4, 0.7))
    return content[:start] + bytes(512) + content[start + 512 :]


def grey(pixels: Pixels) -> Pixels:
    """Return three equal channels."""
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


Rng = np.random.Generator
FAULTS: dict[str, tuple[str, Callable[[Pixels, bytes, Rng], bytes]]] = {
    **{
        f"Gaussian blur, {s} px": ("blur", lambda p, _, rng, s=s: jpeg(cv2.GaussianBlur(p, (0, 0), s)))
        for s in (1.0, 1.5, 2.0, 3.0)
    },
    **{f"moved by {n} px": ("blur", lambda p, _, rng, n=n: jpeg(moved(p, n, rng))) for n in (7, 11, 15)},
    "light x .3": ("dark", lambda p, _, rng: jpeg(light(p, 0.3))),
    "light x .15": ("dark", lambda p, _, rng: jpeg(light(p, 0.15))),
    "veiled by 75 % white": ("bright", lambda p, _, rng: jpeg(light(p, 0.25, 191))),
    "light x 2 + 110": ("bright", lambda p, _, rng: jpeg(light(p, 2, 110))),
    **{f"light x {f}": ("overexposed", lambda p, _, rng, f=f: jpeg(light(p, f))) for f in (1.8, 2.2, 3)},
    "noise alone": ("noisy", lambda p, _, rng: jpeg(rng.integers(0, 256, p.shape, np.uint8))),
    "noise of 60 levels": ("noisy", lambda p, _, rng: jpeg(np.clip(rng.normal(p, 60), 0, 255).astype(np.uint8))),
    "contrast x .2": ("flat", lambda p, _, rng: jpeg(light(p, 0.2, 0.8 * float(p.mean())))),
    "contrast x .1": ("flat", lambda p, _, rng: jpeg(light(p, 0.1, 0.9 * float(p.mean())))),
    "one colour": ("blank", lambda p, _, rng: jpeg(one_colour(p, 0, rng))),
    "one colour and noise": ("blank", lambda p, _, rng: jpeg(one_colour(p, 3, rng))),
    "grey in three channels": ("grey", lambda p, _, rng: jpeg(grey(p))),
    "grey in one": ("grey", lambda p, _, rng: jpeg(p, mode="L")),
    "half as wide": ("shape", lambda p, _, rng: jpeg(cropped(p, 1, rng.uniform(0.4, 0.6)))),
    "a strip": ("shape", lambda p, _, rng: jpeg(cropped(p, rng.uniform(0.25, 0.4), 1))),
    "a small part": ("size", lambda p, _, rng: jpeg(cropped(p, 0.3, 0.3))),
    "3 times as large": ("size", lambda p, _, rng: jpeg(grown(p, 3))),
    "cut off": ("damaged", lambda _, content, rng: cut(content, rng)),
    "cut off and closed": ("damaged", lambda _, content, rng: cut(content, rng, ended=True)),
    "a sector lost": ("damaged", lambda _, content, rng: holed(content, rng)),
}


def snapshot_of(folder: Path) -> Snapshot:
    """Return a folder of class folders as a project would."""
    names = sorted(each.name for each in folder.iterdir() if each.is_dir())
    files = [(i, f) for i, n in enumerate(names) for f in sorted((folder / n).iterdir())]
    images = (
        SnapshotImage(number, file, sha256_file(file), (label,), "train")
        for number, (label, file) in enumerate(files, start=1)
        if file.suffix.lower() in IMAGE_SUFFIXES
    )
    return Snapshot("single", tuple(names), tuple(images))


def planted(images: Snapshot, seed: int, folder: Path) -> tuple[Snapshot, dict[int, str]]:
    """Replace images by faults; return the set and {image id: fault}."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(images.images))[: len(FAULTS) * EACH]
    faults: dict[int, str] = {}
    replaced = list(images.images)
    for place, name in zip(chosen.tolist(), list(FAULTS) * EACH, strict=True):
        old = replaced[place]
        content = FAULTS[name][1](decode(old.path, near_side=640), old.path.read_bytes(), rng)
        file = folder / f"{seed}-{old.image_id}.jpg"
        file.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        replaced[place] = SnapshotImage(old.image_id, file, digest, old.labels, old.split)
        faults[old.image_id] = name
    return Snapshot(images.task, images.class_names, tuple(replaced)), faults


def is_found(kinds: set[str], wanted: str) -> bool:
    """Return whether an image is flagged for its planted fault."""
    return (
        wanted in kinds
        or (wanted in ("flat", "bright") and "blank" in kinds)
        or (wanted == "blank" and "flat" in kinds)
        or (wanted in ("bright", "overexposed") and bool(kinds & {"bright", "overexposed"}))
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--store", type=Path)
    given = parser.parse_args()
    for folder in given.folders:
        with tempfile.TemporaryDirectory() as temporary:
            store = (given.store or Path(temporary)) / folder.name
            store.mkdir(parents=True, exist_ok=True)
            run(folder, store, given.sheets)


def run(folder: Path, temporary: Path, sheets: Path | None) -> None:
    """Plant faults, run the check and print the results of one set."""
    images = snapshot_of(folder)
    began, began_cpu = time.perf_counter(), time.process_time()
    Quality().find_issues(Inputs(temporary, images))
    count, wall, cpu = len(images.images), time.perf_counter() - began, time.process_time() - began_cpu
    print(
        f"\n{folder.name}: {count} images, measured {count / wall:.0f} a second, {count / cpu:.0f} a second of a core"
    )
    found: defaultdict[str, list[bool]] = defaultdict(list)
    right, false, bad = Counter[str](), Counter[str](), Counter[str]()
    totals: list[tuple[float, float, float]] = []
    suspects: dict[str, tuple[Issue, Path]] = {}
    for seed in range(SEEDS):
        mixed, faults = planted(images, seed, temporary)
        result = Quality().find_issues(Inputs(temporary, mixed))
        kinds = flagged_kinds(result)
        hits = [is_found(kinds.get(image_id, set()), FAULTS[name][0]) for image_id, name in faults.items()]
        for (image_id, name), hit in zip(faults.items(), hits, strict=True):
            found[name].append(hit)
            right.update(kinds.get(image_id, set()))
        paths = {image.image_id: image.path for image in mixed.images}
        wrong = really = 0
        for finding in result.flagged():
            if finding.image_id not in faults:
                suspects[f"{finding.kind} {paths[finding.image_id].name}"] = finding, paths[finding.image_id]
        for image_id in kinds.keys() - faults.keys():
            known = LOOKED_AT.get(folder.name, {})
            seen = {kind for kind in kinds[image_id] if paths[image_id].stem in known.get(kind, "").split()}
            really += bool(seen)
            wrong += not seen
            bad.update(seen)
            false.update(kinds[image_id] - seen)
        caught = len(kinds.keys() & faults.keys())
        totals.append(
            (sum(hits) / len(hits), (caught + really) / (caught + really + wrong), caught / (caught + really + wrong))
        )
    print_tables(found, right, false, bad, totals)
    print_cleanvision(*planted(images, 0, temporary))
    if sheets:
        write_sheets(suspects, sheets / folder.name)


def flagged_kinds(result: CheckResult) -> dict[int, set[str]]:
    """Return {image id: flagged kinds}."""
    kinds: defaultdict[int, set[str]] = defaultdict(set)
    for finding in result.flagged():
        kinds[finding.image_id].add(finding.kind)
    return dict(kinds)


def print_tables(
    found: dict[str, list[bool]],
    right: Counter[str],
    false: Counter[str],
    bad: Counter[str],
    totals: list[tuple[float, float, float]],
) -> None:
    """Print recall by fault, precision by kind, and both over all."""
    for name, hits in found.items():
        print(f"  {FAULTS[name][0]:8} {name:24} recall {np.mean(hits):.2f}")
    for kind in dict.fromkeys(kind for kind, _ in FAULTS.values()):
        recall = np.mean([hit for name, hits in found.items() if FAULTS[name][0] == kind for hit in hits])
        good = right[kind] + bad[kind]
        precision = good / max(1, good + false[kind])
        print(
            f"  {kind:8} recall {recall:.3f}  precision {precision:.3f}  ({bad[kind]} really bad, {false[kind]} false)"
        )
    for seed, (recall, precision, strict) in enumerate(totals):
        print(
            f"  seed {seed}: recall {recall:.3f}, precision {precision:.3f} ({strict:.3f} if only planted ones count)"
        )


ISSUES = {"blur": "blurry", "bright": "light", "flat": "low_information", "blank": "low_information"}
ISSUES |= {"dark": "dark", "grey": "grayscale", "shape": "odd_aspect_ratio", "size": "odd_size"}


def print_cleanvision(images: Snapshot, faults: dict[int, str]) -> None:
    """Print cleanvision's recall on the same faults, and the number of its false flags."""
    try:
        from cleanvision import Imagelab
    except ImportError:
        return
    broken = {image_id for image_id, name in faults.items() if FAULTS[name][0] == "damaged"}
    shown = {str(image.path): image.image_id for image in images.images if image.image_id not in broken}
    lab = Imagelab(filepaths=list(shown))
    lab.find_issues({issue: {} for issue in ISSUES.values()}, n_jobs=1, verbose=False)
    flags = {shown[path]: set(row.index[row]) for path, row in lab.issues.filter(regex="^is_").iterrows()}
    for kind, issue in ISSUES.items():
        own = [image_id for image_id, name in faults.items() if FAULTS[name][0] == kind]
        hits = [f"is_{issue}_issue" in flags[image_id] for image_id in own]
        besides = sum(f"is_{issue}_issue" in flags[each] for each in flags.keys() - faults.keys())
        print(f"  cleanvision {kind:8} recall {np.mean(hits):.2f}, {besides} flagged besides")


def write_sheets(suspects: dict[str, tuple[Issue, Path]], folder: Path) -> None:
    """Write the flagged images without a planted fault, 40 per sheet, with name, score and reason."""
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(suspects.items(), key=lambda item: (item[1][0].kind, -item[1][0].score))
    for start in range(0, len(ordered), 40):
        sheet = Image.new("RGB", (8 * 200, 5 * 230), "white")
        for place, (key, (finding, path)) in enumerate(ordered[start : start + 40]):
            x, y = place % 8 * 200, place // 8 * 230
            sheet.paste(Image.fromarray(decode(path, max_side=190)), (x, y))
            ImageDraw.Draw(sheet).text((x, y + 194), f"{key} {finding.score:.2f}\n{finding.reason[:34]}", fill="black")
        sheet.save(folder / f"{start // 40}.png")


if __name__ == "__main__":
    main()
