"""Hostile files by the hundred: an image gives pixels or an `ImageError`, a label file a report or a `VisionFTError`.

Real files (of ../shared/data where available) and drawn ones are mutated at random, seeded by their number, so each
case is reproducible. Each is read in a process of its own with a limit on memory and on time: a hang, a crash, a broken
limit or any other exception fails. `--torture 1000` reads more of each.
"""

import base64
import json
import random
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visionft.project.formats.exporting import export_labels
from visionft.project.formats.registry import FORMATS
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(sys.platform != "linux", reason="needs fork, and a limit on a process's memory"),
]
IMAGE_MB = 300
# Reads a file in limits of memory and time, and writes the outcome into another one.
WORK = """
import json, os, resource, signal, traceback
from pathlib import Path
from PIL import Image
from visionft.core.errors import ImageError, VisionFTError
from visionft.data.decode import decode, read_header
from visionft.project.importing.importer import import_source
from visionft.project.store import ProjectStore

SECONDS, SLACK = 30, 300_000_000
ALLOWED = int(float(os.environ["VISIONFT_IMAGE_MB"]) * 1e6)
Image.init()

def image(path, scratch):
    try:
        read_header(path)
        pixels = decode(path)
    except ImageError as error:
        return "too much memory" if "not enough memory" in error.message else "refused", error.message
    decode(path, max_side=256)
    return "pixels", list(pixels.shape)

def labels(path, scratch):
    try:
        with ProjectStore.create(scratch / "project") as project:
            return "read", import_source(project, path).added
    except VisionFTError as error:
        return "refused", error.message

def work(read, path, scratch):
    signal.alarm(SECONDS)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + ALLOWED + SLACK,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        outcome = {"image": image, "labels": labels}[read](Path(path), Path(scratch))
    except BaseException:
        outcome = "raised", traceback.format_exc()[-1500:]
    (Path(scratch) / "outcome").write_text(json.dumps(outcome))
"""


@pytest.fixture
def ask(tmp_path: Path, fork_server: Callable[..., Any]) -> Callable[[str, Path], tuple[str, object]]:
    """Return a function: kind of reading, path -> (outcome, message)."""
    server, scratch = fork_server(WORK, VISIONFT_IMAGE_MB=str(IMAGE_MB)), tmp_path / "scratch"

    def ask(read: str, path: Path) -> tuple[str, object]:
        scratch.mkdir()
        code = server.run(read=read, path=path, scratch=scratch)
        outcome = json.loads((scratch / "outcome").read_text()) if code == 0 else ("hung or died", code)
        shutil.rmtree(scratch)
        return outcome

    return ask


# 122 bytes, one column of 134 million pixels to Pillow.
TALL_TIFF = (
    "SUkqAAgAAAAIAAABBAABAAAAAQAAAAEBBAARAAAAAQAAAAIBAwAEAAAAbgAAAAYBAwABAAAABQAAABEBBAABAAAAdgAAABUBAwABAAAABAAAABYB"
    "BAABAAAAAQAAABcBBAABAAAABAAAAAAAAAAIAAgACAAIAAAAAEE="
)
EXTREMES = tuple(value.to_bytes(4, "little") for value in (0, 1, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF))


def mutated(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return `content` after up to four random changes, most of them near its start, in the headers."""
    data = bytearray(content)
    for _ in range(chance.randint(0, 4)):
        at = chance.randrange(min(len(data), chance.choice([64, 512, 1 << 30])) or 1)
        match chance.randrange(7):
            case 0:
                data[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                value = chance.choice(EXTREMES)
                value = value if chance.random() < 0.5 else value[::-1]
                data[at : at + len(value)] = value
            case 2:
                del data[at:]
            case 3:
                del data[at : at + chance.randrange(1, 64)]
            case 4:
                data[at:at] = chance.randbytes(chance.randrange(1, 64))
            case 5:
                data[at:at] = data[at : at + chance.randrange(1, 4096)]
            case _:
                start = chance.randrange(len(other) or 1)
                data[at:] = other[start : start + len(data)]
    return bytes(data)


@pytest.fixture
def attack(
    ask: Callable[[str, Path], tuple[str, object]], rounds: Callable[[int], int], tmp_path: Path, tally: Counter[str]
) -> Callable[[str, list[Path]], None]:
    """Return a function to read mutated files, each by its number."""

    def attack(read: str, originals: list[Path]) -> None:
        failed: list[str] = []
        for seed in range(rounds(25)):
            chance = random.Random(seed)
            original, other = chance.choice(originals), chance.choice(originals)
            path = tmp_path / f"{seed}{original.suffix}"
            path.write_bytes(mutated(original.read_bytes(), other.read_bytes(), chance))
            outcome, said = ask(read, path)
            tally[outcome] += 1
            if outcome not in ("pixels", "read", "refused"):
                failed.append(f"{seed} ({original.name}): {outcome}: {said}")
            path.unlink()
        assert not failed, "\n".join(failed)

    return attack


def drawn_images(folder: Path) -> list[Path]:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    kinds: dict[str, dict[str, object]] = {
        **{name: {} for name in ("a.jpg", "a.png", "a.webp", "a.bmp", "raw.tif", "a.gif", "a.avif", "a.ppm")},
        "progressive.jpg": {"progressive": True},
        "lossless.webp": {"lossless": True},
        **{f"{name}.tif": {"compression": f"tiff_{name}"} for name in ("lzw", "jpeg", "adobe_deflate")},
    }
    for name, options in kinds.items():
        Image.fromarray(noise).save(folder / name, **options)  # type: ignore[arg-type]
    shutil.copy(Path(__file__).parents[1] / "fixtures" / "images" / "turned.heic", folder)
    (folder / "tall.tif").write_bytes(base64.b64decode(TALL_TIFF))
    return sorted(folder.iterdir())


def test_hostile_images_give_pixels_or_a_reason(attack: Callable[[str, list[Path]], None], tmp_path: Path) -> None:
    real = Path(__file__).parents[3] / "shared" / "data" / "bad_inputs"
    originals = drawn_images(tmp_path / "drawn") * 8  # about as many as the real ones
    attack("image", [*originals, *sorted(p for p in real.rglob("*") if p.is_file() and p.stat().st_size < 1 << 20)])


def label_files(folder: Path) -> dict[str, list[Path]]:
    """Return label files of each kind, beside their images."""
    for place in range(12):
        path = folder / "images" / ("cat" if place % 2 else "dog") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (place, 0, 0)).save(path)
    names = sorted(path.relative_to(folder).as_posix() for path in (folder / "images").rglob("*.png"))
    rows = [(name, Path(name).parent.name) for name in names]
    texts = {
        "plain.csv": "file_name,label\n" + "".join(f"{name},{label}\n" for name, label in rows),
        "quoted.csv": "file_name;label;note\r\n" + "".join(f'"{n}";"{c}";"a ""b""\nc"\r\n' for n, c in rows),
        "flags.csv": "image,cat,dog\n" + "".join(f"{n},{int(c == 'cat')},{int(c == 'dog')}\n" for n, c in rows),
        "a.jsonl": "".join(json.dumps({"file_name": n, "labels": [c], "split": "train"}) + "\n" for n, c in rows),
        "b.jsonl": "".join(json.dumps({"image": n, "label": c, "tags": ["x"], "note": "é"}) + "\n" for n, c in rows),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    for name, method in (("stored.zip", zipfile.ZIP_STORED), ("deflated.zip", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / name, "w", method) as archive:
            archive.write(folder / "a.jsonl", "metadata.jsonl")
            for each in names:
                archive.write(folder / each, each)
    return {kind: sorted(folder.glob(f"*.{kind}")) for kind in ("csv", "jsonl", "zip")}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "zip"])
def test_hostile_label_files_are_read_or_refused(
    attack: Callable[[str, list[Path]], None], tmp_path: Path, kind: str
) -> None:
    attack("labels", label_files(tmp_path)[kind])


def files_of_tools(folder: Path) -> list[Path]:
    """Return label files as labelling tools write them, beside their images."""
    label_files(folder)
    with ProjectStore.create(folder / "project") as project:
        import_source(project, folder / "images")
        files = [folder / f"{name}{FORMATS[name].suffixes[0]}" for name in ("coco", "label_studio")]
        for path in files:
            export_labels(project, path, export_format=path.stem)
    cvat = Path(__file__).parents[1] / "fixtures" / "label_formats/cvat/Train.xml"
    return [*files, Path(shutil.copy(cvat, folder))]


def test_hostile_files_of_labelling_tools_are_read_or_refused(
    attack: Callable[[str, list[Path]], None], tmp_path: Path
) -> None:
    attack("labels", files_of_tools(tmp_path))
