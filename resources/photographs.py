"""Paths of the sample's photographs: 400 of waste in five classes."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "pictures"
PHOTOGRAPHS = _FOLDER / "photographs.zip"  # class folders; the archive's comment is their licence
STRIP = _FOLDER / "photographs.jpg"  # a preview: a few images in a row, each a square as high as the file
