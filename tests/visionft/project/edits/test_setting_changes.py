"""How the images of a project are read and framed is a step of its history."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from visionft.data.decode import decode
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.image_window import WindowChoice
from visionft.project.importing.importer import import_source
from visionft.project.safety.checking import check_project
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore, duplicate_project

OWN = WindowChoice(reading=ImageReading(window="500,900"), is_own=True)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """Return a folder of 16-bit images of two classes, whose values are 400 to 1,300."""
    values = np.linspace(400, 1300, 24 * 30).reshape(24, 30).astype(np.uint16)
    for number in range(12):
        folder = tmp_path / "deep" / ("a" if number % 2 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.roll(values, number)).save(folder / f"{number}.tif")
    return tmp_path / "deep"


@pytest.fixture
def project(tmp_path: Path, deep: Path):
    with ProjectStore.create(tmp_path / "project") as opened:
        import_source(opened, deep)
        yield opened


def splits(project: ProjectStore) -> list[str | None]:
    return [image.split for image in project.snapshot().images]


def test_undo_takes_back_the_window_and_nothing_else(project: ProjectStore) -> None:
    assign_splits(project, val=0.2, test=0.2)
    measured, divided = project.window, splits(project)
    effects = project.apply(ChooseWindow(OWN))
    assert effects.has_new_settings and not project.apply(ChooseWindow(OWN))  # no step that changes nothing
    assert project.snapshot().image_reading == project.image_reading == OWN.reading
    project.undo()
    assert project.window == measured and splits(project) == divided and None not in divided
    project.redo()
    project.apply(ChooseWindow(None))
    project.close()
    with ProjectStore.open(project.path) as again:
        assert again.window is None and again.image_reading == AS_STORED
        again.undo()
        assert again.window == OWN
        again.undo()
        assert again.window == measured and splits(again) == divided


def test_a_window_that_an_import_measures_goes_and_comes_with_it(project: ProjectStore, deep: Path) -> None:
    measured = project.window
    assert measured is not None and not measured.is_own and len(project.history()) == 1
    project.undo()
    assert project.window is None and not project.snapshot().images
    project.redo()
    assert project.window == measured and len(project.snapshot().images) == 12
    project.undo()
    project.apply(ChooseWindow(OWN))
    import_source(project, deep)
    assert project.window == OWN  # what the user chose stays


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(4_000_000, 4_000_002, 600).astype(np.float32),
        (4_000_000_000 + np.arange(600) % 7).astype(np.uint32),
        np.linspace(-3e38, 3e38, 600).astype(np.float32),
        1.7e308 * np.linspace(-1, 1, 600),
        np.full(600, np.nan, np.float32),
        np.where(np.arange(600) % 2, np.inf, -np.inf).astype(np.float32),
    ],
    ids=lambda values: f"{values.dtype}-{values[0]}",
)
def test_one_odd_image_never_fails_an_import(values: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    tifffile.imwrite(tmp_path / "odd" / "a.tif", values.reshape(20, 30))
    Image.new("RGB", (20, 20)).save(tmp_path / "odd" / "b.png")
    with ProjectStore.create(tmp_path / "project") as opened:
        assert import_source(opened, tmp_path / "odd").added == 2
        ((low, high),) = opened.image_reading.windows
        assert low < high and not opened.notices
        pixels = decode(tmp_path / "odd" / "a.tif", reading=opened.image_reading)
        finite = np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0)
        is_varied = np.abs(finite).max() < 1e300 and len(np.unique(values)) > 5 and np.ptp(finite) > 1
        assert len(np.unique(pixels)) > 5 or not is_varied


def test_copies_of_a_project_read_their_images_as_it_does(project: ProjectStore, tmp_path: Path) -> None:
    project.apply(ChooseWindow(OWN))
    duplicate_project(project, tmp_path / "duplicate")
    with ProjectStore.open(tmp_path / "duplicate", read_only=True) as opened:
        assert opened.window == OWN and not opened.notices
    with ProjectStore.create(tmp_path / "empty") as empty:
        import_source(empty, project.path)
        assert empty.window is not None and not empty.window.is_own  # measured on the images that came
        empty.undo()
        assert empty.window is None


@pytest.mark.parametrize("value", ["", "{", "[]", "5", '{"reading": 5}', '{"reading": {"window": "9,1"}}', "[" * 5000])
def test_a_damaged_window_is_told_and_mended_by_choosing_again(project: ProjectStore, value: str) -> None:
    with project.repairing() as connection:
        connection.execute("UPDATE setting SET value = ? WHERE key = 'window'", (value,))
    project.close()
    with ProjectStore.open(project.path) as again:
        assert len(again.notices) == 1 and again.window is None and again.snapshot().image_reading == AS_STORED
        again.apply(ChooseWindow(OWN))
    with ProjectStore.open(project.path) as again:
        assert not again.notices and again.window == OWN and not check_project(again).repaired
