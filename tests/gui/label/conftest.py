"""Fixtures of suggestions from the first labels: a real project with features of a real network."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from projects import project_of
from PySide6.QtCore import Qt

from gui.label.label_page import LabelPage
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.store import ProjectStore

SHADES = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 70, 200)}
EACH = 20


def _draw(path: Path, name: str, source: random.Random) -> None:
    ground = tuple(min(255, max(0, value + source.randint(-30, 30))) for value in SHADES[name])
    image, left, top = Image.new("RGB", (64, 64), ground), source.randint(0, 40), source.randint(0, 40)
    draw, fill = ImageDraw.Draw(image), (source.randint(150, 255),) * 3
    if name == "red":
        draw.ellipse((left, top, left + 22, top + 22), fill=fill)
    elif name == "green":
        draw.rectangle((left, top, left + 22, top + 22), fill=fill)
    else:
        draw.polygon([(left, top + 22), (left + 22, top + 22), (left + 11, top)], fill=fill)
    image.save(path)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder: `images` of three classes, 20 each, and a `project` of them with features, without labels."""
    from small_features import embed

    folder, source = tmp_path_factory.mktemp("shapes"), random.Random(0)
    for name in SHADES:
        (folder / "images" / name).mkdir(parents=True)
        for number in range(EACH):
            _draw(folder / "images" / name / f"{name}_{number:03d}.png", name, source)
    with ProjectStore.open(project_of(folder / "project", folder / "images")) as project:
        images = project.snapshot()
        embed(folder / "project", images)
        project.apply(UnlabelImages(tuple(image.image_id for image in images.images)))
    return folder


@pytest.fixture
def featured_dir(shapes: Path, tmp_path: Path) -> Path:
    """Return a copy of the project for one test."""
    shutil.copytree(shapes / "project", tmp_path / "featured")
    return tmp_path / "featured"


@pytest.fixture
def truth(featured_dir: Path) -> dict[int, str]:
    """Return {image id: its true class}."""
    with ProjectStore.open(featured_dir, read_only=True) as project:
        return {image.image_id: image.path.parent.name for image in project.snapshot().images}


@pytest.fixture
def label_first(featured_dir: Path, truth: dict[int, str]) -> Callable[[int], list[int]]:
    """Return a function to label the first few images of each class and return them."""

    def label(each: int) -> list[int]:
        chosen: list[int] = []
        with ProjectStore.open(featured_dir) as project:
            for name in SHADES:
                ids = [image_id for image_id, real in truth.items() if real == name][:each]
                project.apply(LabelImages(tuple(ids), name))
                chosen += ids
        return chosen

    return label


@pytest.fixture
def open_label(qtbot, open_page) -> Callable[[Path], LabelPage]:
    """Return a function to open a project on the label page."""

    def open_label(folder: Path) -> LabelPage:
        page = open_page("label", folder)
        qtbot.waitUntil(page.grid.hasFocus)
        return page

    return open_label


@pytest.fixture
def page(qtbot, label_first, open_label, featured_dir: Path) -> LabelPage:
    """Return the page over a project with two labels a class, once the rest has its suggestions."""
    label_first(2)
    page = open_label(featured_dir)
    qtbot.waitUntil(lambda: len(page.labels.suggesting.found) == 54, timeout=60_000)  # a busy computer
    return page


@pytest.fixture
def wait(qtbot) -> Callable[..., None]:
    """Return a function to wait for a condition, as long as a busy computer may take."""
    return lambda condition: qtbot.waitUntil(condition, timeout=60_000)


@pytest.fixture
def press(qtbot) -> Callable[..., None]:
    """Return a function to press a key on the page, where its focus is."""

    def press(page: LabelPage, key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        qtbot.keyClick(page.focusWidget() or page.grid, key, modifier)

    return press


@pytest.fixture
def stored() -> Callable[[LabelPage], dict[int, list[str]]]:
    """Return a function for the labels as a second connection reads them: {image: its classes}."""

    def stored(page: LabelPage) -> dict[int, list[str]]:
        with ProjectStore.open(page.state.path, read_only=True) as project:
            snapshot = project.snapshot()
        return {image.image_id: [snapshot.class_names[index] for index in image.labels] for image in snapshot.images}

    return stored


@pytest.fixture
def choose_in() -> Callable[..., None]:
    """Return a function to choose an entry of a menu by the titles that lead to it."""

    def choose_in(menu, *path: str) -> None:
        level = menu
        for title in path[:-1]:
            level = next(each for each in level.actions() if each.text() == title).menu()
        next(each for each in level.actions() if path[-1] in each.text()).trigger()

    return choose_in
