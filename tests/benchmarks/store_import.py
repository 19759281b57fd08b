"""Import speed: images of about 50 KB by reference, hashed and headers read, on one core.

Run: python tests/benchmarks/store_import.py [IMAGES] [FOLDER]

Prints files/s of a first import, of a second one without new files, and of only reading and hashing the same files, as
the lower bound.
"""

import hashlib
import io
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from visionft.project.importing.importer import import_source
from visionft.project.store import Project


def make_images(folder: Path, number: int) -> int:
    """Write JPEGs of about 50 KB, each of its own content, into 100 class folders. Return the bytes of one."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    image = Image.fromarray(noise).resize((640, 480), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    data = buffer.getvalue()
    data += bytes(max(0, 50_000 - len(data)))  # after the end marker: read and hashed, never decoded
    for index in range(number):
        path = folder / f"class {index % 100:02d}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data + index.to_bytes(4, "little"))
    return len(data)


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    folder = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        size = make_images(folder / "images", number)
        start = time.perf_counter()
        for path in (folder / "images").rglob("*.jpg"):
            hashlib.sha256(path.read_bytes()).hexdigest()
        floor = time.perf_counter() - start
        with Project.create(folder / "project") as project:
            start, cpu = time.perf_counter(), time.process_time()
            report = import_source(project, folder / "images")
            first, first_cpu = time.perf_counter() - start, time.process_time() - cpu
            assert report.added == number
            start = time.perf_counter()
            assert import_source(project, folder / "images").added == 0
            second = time.perf_counter() - start
            start = time.perf_counter()
            project.undo()
            undo = time.perf_counter() - start
        print(f"{number:,} images of {size / 1000:.0f} KB")
        print(f"read and hash only   {number / floor:8,.0f} files/s  1.00 x")
        print(f"first import         {number / first:8,.0f} files/s  {first / floor:.2f} x  ({first_cpu:.1f} s CPU)")
        print(f"second import        {number / second:8,.0f} files/s  {second / floor:.2f} x")
        print(f"undo of the import   {undo:8.2f} s")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
