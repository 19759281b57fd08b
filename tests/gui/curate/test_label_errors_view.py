"""Label issues in the window: reviewed one by one with keys, all undoable."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from projects import project_of
from PySide6.QtCore import Qt

from gui.curate.curate_page import CuratePage
from gui.curate.label_errors_view import LabelErrorsView
from visionft.analysis import label_errors
from visionft.analysis.check import Inputs
from visionft.analysis.label_errors import LabelErrors
from visionft.analysis.scan import CHECKS
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.queries import image_rows
from visionft.project.store import ProjectStore

KEY, LEFT = Qt.Key, Qt.MouseButton.LeftButton
CLASSES = ("apple", "pear")
COUNT, WRONG = 30, (3, 11, 20)  # images of each class; of the first, those truly of the second
KIND = FeatureKind(backbone="drawn", size=32, weights="w", preprocessing="p", widths=(8, 8))


@pytest.fixture(autouse=True)
def only_labels(monkeypatch, use_views) -> None:
    use_views(LabelErrorsView, check=LabelErrors())
    monkeypatch.setattr(label_errors, "THRESHOLD", 0.05)  # few images give little certainty


@pytest.fixture
def page(open_curate, tmp_path: Path) -> CuratePage:
    """Return the page of a checked project of two separable classes with three wrong labels, with features."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "fruit" / name).mkdir(parents=True)
        for number in range(COUNT):
            pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "fruit" / name / f"{name} {number}.png")
    folder = project_of(tmp_path / "fruits", tmp_path / "fruit")
    with ProjectStore.open(folder) as project:
        images = project.snapshot()
        centres = 3 * rng.normal(size=(2, 16))
        truth = [image.labels[0] or int(int(image.path.stem.split()[1]) in WRONG) for image in images.images]
        rows = centres[truth] + rng.normal(size=(len(truth), 16))
        KIND.store(folder).append([image.sha256 for image in images.images], rows.astype(np.float16))
        make_current(folder, KIND)
        CHECKS["label-errors"].run(Inputs(folder, images))
    return open_curate(folder)


def names(page: CuratePage) -> list[str]:
    return [tile.path.stem for tile in page.grid.tiles()]


def current(page: CuratePage) -> int:
    return page.curation.selection.current_id()


def labels(page: CuratePage, image_id: int) -> tuple[str, ...]:
    return image_rows(page.session.project, (image_id,))[0].labels


def wait_for_evidence(qtbot, page: CuratePage) -> None:
    qtbot.waitUntil(lambda: page.view.panel.own.grid.count() > 0, timeout=20_000)


@pytest.mark.slow
def test_the_wrong_labels_are_shown_with_the_class_they_should_have(page):
    assert set(names(page)) == {f"apple {number}" for number in WRONG}
    assert all(tile.title == "apple → pear?" and "%" in tile.detail for tile in page.grid.tiles())
    title, chance = page.view.panel.words()
    assert title == "apple → pear?" and "%" in chance


@pytest.mark.slow
def test_the_nearest_images_of_both_classes_are_evidence(qtbot, page):
    wait_for_evidence(qtbot, page)
    panel = page.view.panel
    assert all(tile.path.stem.startswith("apple") for tile in panel.own.grid.tiles())
    assert all(tile.path.stem.startswith("pear") for tile in panel.suggested.grid.tiles())
    assert "apple" in panel.own.words() and "pear" in panel.suggested.words()
    assert current(page) not in [tile.image_id for tile in panel.own.grid.tiles()]


@pytest.mark.slow
def test_keys_accept_keep_relabel_and_drop_and_go_on_by_themselves(qtbot, page):
    wait_for_evidence(qtbot, page)
    first = current(page)
    qtbot.keyClick(page.grid, KEY.Key_Return)
    qtbot.waitUntil(lambda: current(page) not in (0, first), timeout=10_000)
    assert labels(page, first) == ("pear",) and page.sentence.text().startswith("1 of 3")
    second = current(page)
    qtbot.keyClick(page.grid, KEY.Key_K)
    qtbot.waitUntil(lambda: current(page) not in (0, first, second), timeout=10_000)
    assert labels(page, second) == ("apple",) and page.sentence.text().startswith("2 of 3")
    third = current(page)
    qtbot.keyClick(page.grid, KEY.Key_2)
    qtbot.waitUntil(lambda: page.list.buttons["label-errors"].count() == 0, timeout=10_000)
    assert labels(page, third) == ("pear",)
    for _ in range(3):
        page.session.undo()
    qtbot.waitUntil(lambda: page.list.buttons["label-errors"].count() == 3, timeout=20_000)
    assert labels(page, first) == labels(page, third) == ("apple",)
