"""The sample images: the same bytes for a seed, four classes with the intended differences."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resources.sample_parts import drilled, make_part
from resources.samples import CLASSES, draw_sample, generate_samples


def digests(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.jpg"))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_seed_writes_the_same_bytes_and_another_seed_other_ones(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        generate_samples(tmp_path / name, per_class=2, seed=seed, size=96)
    one, again, other = (digests(tmp_path / name) for name in ("one", "again", "other"))
    assert one == again
    assert one.keys() == other.keys()
    assert not set(one.values()) & set(other.values())
    assert len(set(one.values())) == len(one)


def test_a_larger_set_starts_with_the_smaller_one(tmp_path: Path) -> None:
    generate_samples(tmp_path / "small", per_class=1, size=64)
    generate_samples(tmp_path / "large", per_class=2, size=64)
    assert digests(tmp_path / "small").items() <= digests(tmp_path / "large").items()


def test_class_folders_hold_upright_rgb_jpegs_of_the_size_asked_for(tmp_path: Path) -> None:
    paths = generate_samples(tmp_path, per_class=2, size=80)
    assert sorted(p.name for p in tmp_path.iterdir()) == list(CLASSES)
    assert [path.parent.name for path in paths] == [name for name in CLASSES for _ in range(2)]
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (80, 80))


@pytest.mark.parametrize("class_name", CLASSES)
@pytest.mark.parametrize("seed", range(4))
def test_every_image_shows_a_part_with_contrast(class_name: str, seed: int) -> None:
    pixels = draw_sample(np.random.default_rng(seed), class_name, 112)
    assert pixels.std() > 12
    assert 25 < pixels.mean() < 230
    assert (pixels == 255).mean() < 0.1


def test_a_missing_hole_leaves_one_hole_less_open() -> None:
    rng, scale = np.random.default_rng(1), 100
    y, x = np.mgrid[-1 : 1 : 2j * scale, -1 : 1 : 2j * scale]
    part = make_part(rng, x, y)
    whole, lacking = (drilled(part, x, y, holes) for holes in (part.holes, part.holes[1:]))
    closed = (lacking < 0) & (whole >= 0)
    assert closed.sum() == pytest.approx(np.pi * (part.holes[0, 2] * scale) ** 2, rel=0.2)


def test_drawing_stops_when_asked_and_tells_how_far_it_is(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    paths = generate_samples(
        tmp_path,
        per_class=2,
        size=48,
        on_image=lambda done, total: seen.append((done, total)),
        should_stop=lambda: len(seen) == 3,
    )
    assert seen == [(1, 8), (2, 8), (3, 8)]
    assert len(paths) == len(list(tmp_path.rglob("*.jpg"))) == 3
