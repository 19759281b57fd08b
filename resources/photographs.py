"""Where the sample's photographs lie: 400 of waste in five classes, chosen by `packaging/make_photographs.py`."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "pictures"
PHOTOGRAPHS = _FOLDER / "photographs.zip"  # class folders; the archive's comment is their licence


def strip(sample: str) -> Path:
    """Return a few pictures of a sample side by side, each a square as high as the file, to show what it is."""
    return _FOLDER / f"{sample}.jpg"
