"""Paths of the sample's photographs: 400 of waste in five classes."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "pictures"
PHOTOGRAPHS = _FOLDER / "photographs.zip"  # class folders; the archive's comment is their licence


def strip(sample: str) -> Path:
    """Return the path of a sample's preview strip: a few images in a row, each a square as high as the file."""
    return _FOLDER / f"{sample}.jpg"
