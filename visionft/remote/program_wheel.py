"""This program as a wheel, made of its own installed files, for installation on another computer."""

import base64
import hashlib
import importlib.metadata
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import models
import resources
import visionft
from visionft.errors import VisionFTError

_PACKAGES = (visionft, models, resources)
_LEFT_OUT = {"__pycache__", "gui", "screenshots"}  # the others are needed to train


def write_wheel(folder: Path) -> Path:
    """Write `visionft-VERSION-py3-none-any.whl` into a folder, without the window, and return its path.

    Raises:
        VisionFTError: The program is a standalone one, without files to make a wheel of.
    """
    if getattr(sys, "frozen", False):
        hint = "Install VisionFT there, and name its command."
        raise VisionFTError("A standalone program cannot be installed on another computer.", hint)
    found = importlib.metadata.distribution("visionft")
    stem = f"visionft-{visionft.__version__}"
    about, target = f"{stem}.dist-info", folder / f"{stem}-py3-none-any.whl"
    metadata = found.read_text("METADATA") or ""
    texts = {
        f"{about}/METADATA": metadata,
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: visionft\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/entry_points.txt": "[console_scripts]\nvisionft = visionft.__main__:main\n",
    }
    record: list[str] = []
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for name, content in _contents(texts):
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}")
            wheel.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        lines = "\n".join([*record, f"{about}/RECORD,,", ""])
        wheel.writestr(zipfile.ZipInfo(f"{about}/RECORD"), lines)
    return target


def _contents(texts: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    roots = [Path(package.__path__[0]) for package in _PACKAGES]
    for root in (each for each in roots if each.parent not in roots):  # an installed `visionft` has the others inside
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root.parent)
            if path.is_file() and not _LEFT_OUT & set(name.parts):
                yield name.as_posix(), path.read_bytes()
    for name, text in texts.items():
        yield name, text.encode()
