"""Versions of the same images, by pixels: other sizes and colours are, other photographs of equal names are not."""

from pathlib import Path

import pytest
from drawn_images import image_content
from PIL import Image

from visionft.project.formats.likeness import are_versions


def images(folder: Path, look: str, *, number: int = 8, source: str = "item") -> dict[str, Path]:
    """Write versions of photographs; return them by stem."""
    folder.mkdir(parents=True)
    found: dict[str, Path] = {}
    for each in range(number):
        path = found[f"IMG_{each}"] = folder / f"IMG_{each}.png"
        path.write_bytes(image_content(path.name, look, source=f"{source}{each}"))
    return found


@pytest.mark.parametrize("look", ["grey", "small", "closer", "bright"])
def test_versions_of_the_same_photographs(tmp_path: Path, look: str) -> None:
    assert are_versions(images(tmp_path / "one", "photo"), images(tmp_path / "other", look))


@pytest.mark.parametrize("number", [1, 2, 4, 20])
def test_other_photographs_of_equal_names_are_no_versions(tmp_path: Path, number: int) -> None:
    one = images(tmp_path / "one", "photo", number=number)
    assert not are_versions(one, images(tmp_path / "other", "photo", number=number, source="else"))


def test_images_of_a_fixed_camera_are_no_versions(tmp_path: Path) -> None:
    folders = [images(tmp_path / name, "photo", number=10, source="item") for name in ("ok", "nok")]
    for folder in folders:
        for place, path in enumerate(sorted(folder.values())):
            image = Image.new("L", (32, 32), 120)
            image.paste(200, (4, 8, 28, 24))
            image.putpixel(((place * 7 + len(path.parent.name) * 5) % 32, (place * 11) % 32), 0)
            image.save(path)
    assert not are_versions(*folders)


def test_names_have_to_be_equal(tmp_path: Path) -> None:
    one, other = images(tmp_path / "one", "photo"), images(tmp_path / "other", "grey")
    assert are_versions(one, {f"{name}_masked": path for name, path in other.items()})
    assert not are_versions(one, {f"x{name}": path for name, path in other.items()})


def test_images_that_cannot_be_read_are_no_versions(tmp_path: Path) -> None:
    one, other = images(tmp_path / "one", "photo"), images(tmp_path / "other", "grey")
    for path in other.values():
        path.write_bytes(b"no image")
    assert not are_versions(one, other)
