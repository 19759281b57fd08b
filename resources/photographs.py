"""Paths of the sample's photographs: 400 of waste in five classes."""

from pathlib import Path

_PICTURES = Path(__file__).parent / "pictures"
PHOTOGRAPHS = _PICTURES / "photographs.zip"  # class folders; the archive's comment is their licence
STRIP = _PICTURES / "photographs.jpg"  # a preview: a few images in a row, each a square as high as the file
