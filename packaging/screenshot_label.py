"""The scenes of bulk labelling: clusters of suggestions, bulk accept, the random sample, its result.

The suggestions are real; their features are invented: they separate the classes, apart from some images.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gui.label.label_page import LabelPage
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import UnlabelImages
from visionft.project.importing.importer import import_source
from visionft.project.store import Project

Scene = Callable[[Any], None]
_KIND = FeatureKind(backbone="made_up", size=8, weights="", preprocessing="", widths=(6, 10))
_LABELLED, _NOISE = 3, 0.6
_PROJECT = "Parts of the second shift"


def scenes() -> dict[str, Scene]:
    """Return the scenes by name, in their order."""
    return {
        "40-label-rows": _rows,
        "41-label-rows-out": _row_with_exceptions,
        "42-label-accept": _accept,
        "43-label-sample": _sample,
        "44-label-sample-wrong": _sample_with_a_mark,
        "45-label-proven-little": partial(_result, is_honest=False),
        "46-label-proven": partial(_result, is_honest=True),
    }


def _open(studio: Any) -> LabelPage:
    """Open a new project with few labels and with features."""
    path = studio.folder / "projects" / _PROJECT
    if not path.exists():
        with Project.create(path) as project:
            import_source(project, studio.folder / "images")
            images, kept = project.snapshot(), dict[int, int]()
            middles = np.eye(len(images.class_names), sum(_KIND.widths)) * 3 + 1
            rows = np.stack([middles[image.labels[0]] for image in images.images])
            rows += np.random.default_rng(1).normal(scale=_NOISE, size=rows.shape)
            _KIND.store(path).append([image.sha256 for image in images.images], rows.astype(np.float16))
            make_current(path, _KIND)
            for image in images.images:
                kept[image.labels[0]] = kept.get(image.labels[0], 0) + 1
                if kept[image.labels[0]] > _LABELLED:
                    project.apply(UnlabelImages((image.image_id,)))
    studio.state.open_project(path)
    studio.window.show_page("label")
    studio.settle(1280, 800)  # rows are as wide as the window
    page = studio.window.page("label")
    _until(studio, lambda: bool(page.labels.suggesting.found))
    return page


def _until(studio: Any, is_so: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_so():
            return
        studio.wait_for_images(50)
    raise SystemExit("The label page does not come to rest.")


def _rows(studio: Any) -> None:
    page = _open(studio)
    page.bulk.show_clusters()
    _until(studio, lambda: page.bulk.rows_view.grid.count() > 0)


def _row_with_exceptions(studio: Any) -> None:
    view = studio.window.page("label").bulk.rows_view
    QTest.keyClick(view.grid, Qt.Key.Key_Return)
    studio.wait_for_images(600)
    for image_id in view.grid.images.ids[1:3]:
        view.toggled.emit(image_id)


def _accept(studio: Any) -> None:
    page = studio.window.page("label")
    page.bulk.show_accepting()
    view = page.bulk.accepting.accept_view
    view.slider.setValue(50)
    view.size_box.setCurrentIndex(0)
    view.size_box.activated.emit(0)
    studio.wait_for_images(300)


def _sample(studio: Any) -> None:
    bulk = studio.window.page("label").bulk
    bulk.accepting.accept_view.check_button.click()
    _until(studio, lambda: bulk.sample_view.grid.count() > 0)


def _sample_with_a_mark(studio: Any) -> None:
    view = studio.window.page("label").bulk.sample_view
    QTest.keyClick(view.grid, Qt.Key.Key_Return)
    view.toggled.emit(view.grid.images.ids[0])


def _result(studio: Any, *, is_honest: bool) -> None:
    """Check the sample by the folder names; a dishonest check marks all images as wrong."""
    page = studio.window.page("label")
    bulk = page.bulk
    if bulk.view is not bulk.sample_view:
        studio.state.session.undo()  # the earlier answers on the sample
        studio.wait_for_images(800)
        _accept(studio)
        _sample(studio)
    real = {image.image_id: image.path.parent.name for image in studio.state.session.snapshot().images}
    if not bulk.sample_view.accept_button.isEnabled():  # the mark of the scene before
        bulk.sample_view.toggled.emit(bulk.sample_view.grid.images.ids[0])
    while bulk.view is bulk.sample_view:
        section = bulk.sample_view.grid.images.sections[0]
        said = section.title.removesuffix("?")
        other = next(each.name for each in page.labels.classes if each.name != said)
        for image_id in bulk.sample_view.grid.images.ids[: section.count]:
            name = real[image_id] if is_honest else other
            if name != said:
                bulk.sample_view.toggled.emit(image_id)
                bulk.assign(name)
        bulk.accepting.accept_row()
    studio.wait_for_images(300)
