"""Recall of the curation checks on planted copies, faults and label errors, and the number of their false flags.

    python tests/benchmarks/curation_checks.py ../shared/data/trashnet ../shared/data/sign_digits [--each 8]

- duplicates: `--each` copies of each kind are added. Pairs in one group at the check's own threshold count: recall by
  kind; precision, where a pair is right if both were made of one original, or of known duplicates (`REAL`).
- quality: `--each` images get each fault. An image counts as found if it is flagged for its own kind. A flagged image
  without a fault counts as false, unless a reviewer found it bad (`REALLY_BAD`).
- label errors: at each of `--rates`, labels become any other class (*uniform*), or the likeliest other one by a
  discriminant analysis of five folds (*confusable*: these look like their wrong label, and few can be found). Printed
  are the recall in the top 10 %, and the precision and recall of the flagged ones.
"""

import io
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from bench import class_files, read_options
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_predict

from visionft.analysis.check import Inputs
from visionft.analysis.duplicate_groups import duplicate_groups
from visionft.analysis.duplicates import Duplicates
from visionft.analysis.label_errors import compare_labels
from visionft.analysis.quality import Quality
from visionft.core.files import sha256_file
from visionft.data.decode import decode
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_store import Features

TOP = 0.1
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
# Flagged without a planted fault, reviewed one by one: these flags are right.
REALLY_BAD = {
    "blurred": "cardboard236 metal355 glass468 metal237 plastic118 plastic137 plastic164 cardboard86 cardboard295 "
    "cardboard121 plastic149 metal168 glass294",
    "low_information": "plastic147 plastic13 glass212 glass211 plastic2 plastic3 plastic150 glass178 glass13",
    "overexposed": "cardboard203",
    "size": "IMG_5935 IMG_5978 IMG_5874",
}
Pixels = np.ndarray
Rng = np.random.Generator


def cropped_copy(image: Image.Image, part: float, chance: random.Random) -> Image.Image:
    """Cut out a part of both sides."""
    width, height = round(image.width * part), round(image.height * part)
    x, y = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return image.crop((x, y, x + width, y + height))


def framed(image: Image.Image, chance: random.Random) -> Image.Image:
    """Add a border of one colour."""
    colour = chance.choice(["white", "black", "#7f7f7f", "#28508c"])
    return ImageOps.expand(image, round(chance.uniform(0.05, 0.15) * min(image.size)), colour)


def lettered(image: Image.Image, chance: random.Random) -> Image.Image:
    """Add two lines of outlined text, each across most of the width."""
    image, font = image.copy(), ImageFont.load_default(max(8, image.width // 9))
    for words in ("SAMPLE 2026", "do not copy"):
        at = (image.width * chance.uniform(0.02, 0.2), image.height * chance.uniform(0.1, 0.8))
        outline = max(1, image.width // 150)
        ImageDraw.Draw(image).text(at, words, "white", font, stroke_width=outline, stroke_fill="black")
    return image


COPIES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "half": lambda image, _: image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
    "double": lambda image, _: image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
    **{f"jpeg{quality}": lambda image, _: image for quality in (30, 60, 90)},
    "crop10": lambda image, chance: cropped_copy(image, 0.9, chance),
    "crop20": lambda image, chance: cropped_copy(image, 0.8, chance),
    "mirror": lambda image, _: ImageOps.mirror(image),
    "turned": lambda image, _: image.transpose(Image.Transpose.ROTATE_90),
    "bright": lambda image, _: ImageEnhance.Brightness(image).enhance(1.3),
    "dark": lambda image, _: ImageEnhance.Brightness(image).enhance(0.75),
    "border": framed,
    "text": lettered,
}


def jpeg(pixels: Pixels, *, mode: str = "RGB") -> bytes:
    """Return pixels as a JPEG file of good quality."""
    handle = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode).save(handle, "JPEG", quality=90)
    return handle.getvalue()


def moved(pixels: Pixels, length: int, rng: Rng) -> Pixels:
    """Blur along a line of `length` pixels in a drawn direction."""
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), float(rng.uniform(0, 180)), 1)
    line = cv2.warpAffine(line, turn, (length, length))
    return cv2.filter2D(pixels, -1, line / line.sum(), borderType=cv2.BORDER_REFLECT)


def middle(pixels: Pixels, height: float, width: float) -> Pixels:
    """Cut out the middle."""
    rows, columns = (max(24, round(side * part)) for side, part in zip(pixels.shape, (height, width), strict=False))
    top, left = (pixels.shape[0] - rows) // 2, (pixels.shape[1] - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def one_colour(pixels: Pixels, noise: float, rng: Rng) -> Pixels:
    """Return one colour, with noise of some levels."""
    return rng.uniform(20, 235, 3) + rng.normal(0, max(noise, 1e-9), pixels.shape)


def cut(content: bytes, rng: Rng) -> bytes:
    """Truncate a file."""
    return content[: int(len(content) * rng.uniform(0.3, 0.85))]


def holed(content: bytes, rng: Rng) -> bytes:
    """Lose a sector in the middle of a file: zeros stand there."""
    start = int(len(content) * rng.uniform(0.4, 0.7))
    return content[:start] + bytes(512) + content[start + 512 :]


FAULTS: dict[str, tuple[str, Callable[[Pixels, bytes, Rng], bytes]]] = {
    **{
        f"Gaussian blur, {s} px": ("blurred", lambda p, _, rng, s=s: jpeg(cv2.GaussianBlur(p, (0, 0), s)))
        for s in (1.0, 1.5, 2.0, 3.0)
    },
    **{f"moved by {n} px": ("blurred", lambda p, _, rng, n=n: jpeg(moved(p, n, rng))) for n in (7, 11, 15)},
    **{f"light x {f}": ("dark", lambda p, _, rng, f=f: jpeg(p * f)) for f in (0.3, 0.15)},
    "veiled by 75 % white": ("bright", lambda p, _, rng: jpeg(p * 0.25 + 191)),
    "light x 2 + 110": ("bright", lambda p, _, rng: jpeg(p * 2.0 + 110)),
    **{f"light x {f}": ("overexposed", lambda p, _, rng, f=f: jpeg(p * f)) for f in (1.8, 2.2, 3.0)},
    **{
        f"contrast x {f}": ("low_information", lambda p, _, rng, f=f: jpeg(p * f + (1 - f) * p.mean()))
        for f in (0.2, 0.1)
    },
    "one colour": ("blank", lambda p, _, rng: jpeg(one_colour(p, 0, rng))),
    "one colour and noise": ("blank", lambda p, _, rng: jpeg(one_colour(p, 3, rng))),
    "half as wide": ("shape", lambda p, _, rng: jpeg(middle(p, 1, rng.uniform(0.4, 0.6)))),
    "a strip": ("shape", lambda p, _, rng: jpeg(middle(p, rng.uniform(0.25, 0.4), 1))),
    "a small part": ("size", lambda p, _, rng: jpeg(middle(p, 0.3, 0.3))),
    "3 times as large": ("size", lambda p, _, rng: jpeg(cv2.resize(p, None, fx=3, fy=3))),
    "cut off": ("corrupt", lambda _, content, rng: cut(content, rng)),
    "cut off and closed": ("corrupt", lambda _, content, rng: cut(content, rng) + b"\xff\xd9"),
    "a sector lost": ("corrupt", lambda _, content, rng: holed(content, rng)),
}
ALSO = {  # kinds that count as well
    "low_information": {"blank"},
    "blank": {"low_information"},
    "bright": {"blank", "overexposed"},
    "overexposed": {"bright"},
    "corrupt": {"partly_read"},
}


def snapshot_of(folder: Path) -> Snapshot:
    """Return a folder of class folders as a project would."""
    names, files = class_files(folder)
    places = [(label, path) for label, paths in enumerate(files) for path in paths]
    images = (
        SnapshotImage(number, path, sha256_file(path), (label,), "train")
        for number, (label, path) in enumerate(places, start=1)
    )
    return Snapshot("single", names, tuple(images))


def told(name: str, found: dict[str, list[bool]], wrong: Counter[str], right: int) -> None:
    """Print the recall of each kind, and of all with the precision."""
    hits = [hit for each in found.values() for hit in each]
    print(f"  {name}: recall {np.mean(hits):.3f}, precision {right / max(1, right + wrong.total()):.3f}; ", end="")
    print(", ".join(f"{kind} {np.mean(each):.2f}" for kind, each in found.items()), end="; ")
    print("false:", ", ".join(f"{count} {kind}" for kind, count in wrong.items()) or "none", flush=True)


def check_duplicates(images: Snapshot, seed: int, each: int, place: Path) -> None:
    """Plant copies, find duplicates, and print."""
    chance, origin = random.Random(seed), {image.image_id: (image.image_id, "") for image in images.images}
    added: list[SnapshotImage] = []
    for number, image in enumerate(chance.sample(images.images, min(each * len(COPIES), len(images.images) // 2))):
        kind = list(COPIES)[number % len(COPIES)]
        with Image.open(image.path) as opened:
            copy = COPIES[kind](ImageOps.exif_transpose(opened).convert("RGB"), chance)
        path, image_id = place / f"{seed}-{number}.jpg", len(images.images) + 1 + number
        copy.save(path, quality=int(kind[4:]) if kind.startswith("jpeg") else 90)
        added.append(SnapshotImage(image_id, path, sha256_file(path), image.labels, "train"))
        origin[image_id] = (image.image_id, kind)
    result = Duplicates().find_issues(Inputs(place, replace(images, images=(*images.images, *added))))
    pairs = [pair for group in duplicate_groups(result) for pair in combinations(group.image_ids, 2)]
    caught = {max(pair) for pair in pairs if len({origin[each][0] for each in pair}) == 1}
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for image in added:
        found[origin[image.image_id][1]].append(image.image_id in caught)
    stems = [frozenset(images.by_id[origin[each][0]].path.stem for each in pair) for pair in pairs]
    wrong = Counter(" = ".join(sorted(stem)) for stem in stems if len(stem) > 1 and stem not in IS_REAL)
    told(f"duplicates, seed {seed}, threshold {result.threshold:.3f}", found, wrong, len(pairs) - wrong.total())


def check_quality(images: Snapshot, seed: int, each: int, place: Path) -> None:
    """Replace images by faults, run the check, and print."""
    rng, faults, changed = np.random.default_rng(seed), dict[int, str](), list(images.images)
    for at, name in zip(rng.permutation(len(changed)).tolist(), list(FAULTS) * each, strict=False):
        old, path = changed[at], place / f"{seed}-{changed[at].image_id}.jpg"
        path.write_bytes(FAULTS[name][1](decode(old.path, near_side=640), old.path.read_bytes(), rng))
        changed[at] = replace(old, path=path, sha256=sha256_file(path))
        faults[old.image_id] = name
    kinds: defaultdict[int, set[str]] = defaultdict(set)
    for issue in Quality().find_issues(Inputs(place, replace(images, images=tuple(changed)))).flagged():
        kinds[issue.image_id].add(issue.kind)
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for image_id, name in faults.items():
        wanted = {FAULTS[name][0]} | ALSO.get(FAULTS[name][0], set())
        found[name].append(bool(kinds[image_id] & wanted))
    wrong = Counter[str]()
    for image_id in [image_id for image_id, flagged in kinds.items() if flagged and image_id not in faults]:
        stem = images.by_id[image_id].path.stem
        if not any(stem in REALLY_BAD.get(kind, "").split() for kind in kinds[image_id]):
            wrong.update(kinds[image_id])
    told(f"quality, seed {seed}", found, wrong, sum(map(bool, kinds.values())))


def check_labels(features: Features, images: Snapshot, seed: int, rates: list[float]) -> None:
    """Change labels, and print the recall among the most suspicious ones."""
    labels, rng = np.array([image.labels[0] for image in images.images]), np.random.default_rng(seed)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2)
    likely = cross_val_predict(model, features.inputs, labels, method="predict_proba")
    likely[np.arange(len(labels)), labels] = 0
    for rate in rates:
        chosen = rng.choice(len(labels), max(1, round(rate * len(labels))), replace=False)
        shifts = rng.integers(1, len(images.class_names), len(chosen))
        for kind, others in (
            ("uniform", (labels[chosen] + shifts) % len(images.class_names)),
            ("confusable", likely.argmax(axis=1)[chosen]),
        ):
            noisy = labels.copy()
            noisy[chosen] = others
            changed = tuple(replace(i, labels=(int(n),)) for i, n in zip(images.images, noisy, strict=True))
            result = compare_labels(features, replace(images, images=changed))
            wrong = {changed[at].image_id for at in chosen}
            most = round(max(TOP, 2 * rate) * len(labels))
            first = wrong & {issue.image_id for issue in result.issues[:most]}
            flagged = {issue.image_id for issue in result.flagged()}
            print(
                f"  labels, seed {seed}, {kind} {rate:.0%}: recall in the first {most} {len(first) / len(wrong):.3f}; "
                f"{len(flagged)} flagged, precision {len(flagged & wrong) / max(1, len(flagged)):.3f}, "
                f"recall {len(flagged & wrong) / len(wrong):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    options = read_options(__doc__, folders="+", each=8, seeds=[0, 1, 2], rates=[0.01, 0.05, 0.1, 0.2])
    for folder in options.folders:
        whole = snapshot_of(folder)
        print(f"{folder.name}: {len(whole.images)} images")
        with tempfile.TemporaryDirectory() as temporary:
            known = Inputs(Path(temporary), whole).features
            for seed in options.seeds:
                check_duplicates(whole, seed, options.each, Path(temporary))
                check_quality(whole, seed, options.each, Path(temporary))
                check_labels(known, replace(whole, images=known.images), seed, options.rates)
