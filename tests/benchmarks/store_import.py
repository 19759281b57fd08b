"""Import speed: images of about 50 KB by reference, hashed and headers read, on one core.

    python tests/benchmarks/store_import.py [--images 100000] [--folder FOLDER]

Prints files/s of a first import, of a second one without new files, and of only reading and hashing the same files, as
the lower bound; FOLDER is on the disk to measure.
"""

import hashlib
import io
import tempfile
from pathlib import Path

import numpy as np
from bench import Times, read_options, timed
from PIL import Image

from visionft.project.importing.importer import import_source
from visionft.project.store import Project


def make_images(folder: Path, number: int) -> None:
    """Write JPEGs of about 50 KB, each of its own content, into 100 class folders."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    data = buffer.getvalue().ljust(50_000, b"\0")  # after the end marker: read and hashed, never decoded
    for index in range(number):
        path = folder / f"class {index % 100:02d}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data + index.to_bytes(4, "little"))


def measure(folder: Path, number: int) -> None:
    """Import twice and print the speeds."""
    images = folder / "images"
    make_images(images, number)
    with Project.create(folder / "project") as project:
        added: list[int] = []
        times: dict[str, Times] = {}
        for name, act in {
            "read and hash only": lambda: [hashlib.sha256(path.read_bytes()) for path in images.rglob("*.jpg")],
            "first import": lambda: added.append(import_source(project, images).added),
            "second import": lambda: added.append(import_source(project, images).added),
            "undo of the import": project.undo,
        }.items():
            times[name] = timed(act)
            ratio = times[name].wall / times["read and hash only"].wall
            print(f"{name:20}{1000 * number / times[name].wall:10,.0f} files/s  {ratio:.2f} x  {times[name]}")
    assert added == [number, 0]


if __name__ == "__main__":
    options = read_options(__doc__, images=100_000, folder=None)
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        measure(Path(temporary), options.images)
