"""Results: explanations of predictions, and the behaviour without images, runs or their files."""

import dataclasses
import shutil

import numpy as np
import pytest
from PySide6.QtCore import Qt

from gui import runner
from gui.kit.thumbnails import Unreadable
from gui.results import image_views
from gui.results.results_page import MISTAKES
from visionft.data.preprocess import Box
from visionft.project.edits.changes import RemoveImages
from visionft.training.evaluation.explanation import Explanation, ExplanationRequest

LEFT = Qt.MouseButton.LeftButton
OLD, NEW = "001-resnet18-lora", "002-vit_tiny-linear"


def explained(asked, *, deletion: float) -> tuple[Explanation, ...]:
    return tuple(
        Explanation(
            image_id=each.image_id,
            path=each.path,
            class_name=each.class_name or "blue",
            probability=0.9,
            method="Grad-CAM",
            size=(40, 48),
            box=Box(1, 5, 38, 38),
            heat=np.eye(4, dtype=np.float32),
            deletion=deletion,
            random_deletion=(0.5,) * 12,
        )
        for each in asked
    )


def test_explaining_shows_where_it_looked(qtbot, page, show, monkeypatch, finish, image_ids):
    asked = []

    def explain(_run_dir, wanted, **_hooks):
        asked.extend(wanted)
        return explained(wanted, deletion=0.2 if len(asked) == 1 else 0.49)

    monkeypatch.setattr(image_views, "explain_images", explain)
    show(MISTAKES)
    view = page.images.explain
    qtbot.waitUntil(lambda: view.heat.image() is not None)
    assert view.badge.isHidden() and view.heat.heat_rect().isEmpty()
    qtbot.mouseClick(view.explain_button, LEFT)
    finish()
    assert [(each.image_id, each.class_name) for each in asked] == [(image_ids[3], None)]
    reliable = view.badge.text()
    assert view.badge.isVisible() and view.verdict.text()
    whole, seen = view.heat.image_rect(), view.heat.heat_rect()
    assert seen.width() / whole.width() == pytest.approx(38 / 48)
    assert seen.height() / whole.height() == pytest.approx(38 / 40)
    assert (seen.left() - whole.left()) / whole.width() == pytest.approx(5 / 48)
    view.target_box.setCurrentIndex(1)  # the true class: not explained yet
    assert view.badge.isHidden()
    qtbot.mouseClick(view.explain_button, LEFT)
    finish()
    assert asked[-1].class_name == "red" and view.badge.text() != reliable


def test_a_corrupt_run_folder_is_named_and_the_others_are_shown(page, project_dir):
    (project_dir / "runs" / OLD / "config.json").write_text("garbage")
    page.refresh()
    assert page.table.model().rowCount() == 1
    assert OLD in page.damaged.message() and page.damaged.isVisible()
    shutil.rmtree(project_dir / "runs" / OLD)
    page.refresh()
    assert page.damaged.isHidden()


def test_images_that_vanished_or_left_the_project_are_said_so(qtbot, page, show, window, image_ids):
    show(MISTAKES)
    view = page.images.explain
    qtbot.waitUntil(lambda: view.heat.image() is not None)  # unfinished reads would be kept
    item = view.strip.tiles()[0]
    view.show_image(dataclasses.replace(item, path=item.path.with_name("gone.png")), None)
    qtbot.waitUntil(lambda: isinstance(view.heat.image(), Unreadable))
    asked = ExplanationRequest(image_id=item.image_id, path=item.path)
    vanished = dataclasses.replace(explained([asked], deletion=0.1)[0], error="E404")
    page.images.take_explanations([vanished])
    assert "E404" in view.verdict.text() and view.badge.isHidden()
    window.state.session.apply(RemoveImages((image_ids[3],)))
    assert [item.image_id for item in view.strip.tiles()] == [image_ids[1]]


def test_an_unfinished_run_can_go_on(qtbot, page, window, monkeypatch, finish):
    asked = []
    monkeypatch.setattr(runner, "resume_and_evaluate", lambda *inputs, **_: asked.append(inputs))
    assert not page.continue_button.isVisible()  # the newest has ended
    page.table.select([OLD])
    assert page.continue_button.isVisible()
    qtbot.mouseClick(page.continue_button, LEFT)
    finish()
    assert window.current_page.name == "train" and asked[0][0].name == OLD
