"""Merging a copy from the File menu: the forecast, its new classes, the merge, and its undo."""

from pathlib import Path

import pytest
from modal import answer
from PySide6.QtCore import Qt

from gui.kit import dialogs
from gui.shell.merging import MergeDialog
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.queries import find_conflicts, image_rows
from visionft.project.store import Project, duplicate_project

LEFT = Qt.MouseButton.LeftButton


@pytest.mark.parametrize("choice", [0, 2], ids=["new class", "another name"])
def test_a_copy_is_merged_after_its_forecast(qtbot, window, project_dir: Path, tmp_path, finish, monkeypatch, choice):
    with Project.open(project_dir) as project:
        copy = duplicate_project(project, tmp_path / "copy").path
        project.apply(LabelImages((1, 2), "green"))
    with Project.open(copy) as other:
        other.apply(LabelImages((1,), "violet"))
        other.apply(LabelImages((2,), "red"))
    window.state.open_project(project_dir)
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_options: copy)
    shown = []

    def act(dialog: MergeDialog) -> None:
        shown.append([dialog.counts.item(row, 1).text() for row in range(dialog.counts.rowCount())])
        assert list(dialog.boxes) == ["violet"]
        dialog.boxes["violet"].setCurrentIndex(choice)
        qtbot.mouseClick(dialog.merge_button, LEFT)

    answer(MergeDialog, act)
    window.commands.action("file.merge").trigger()
    finish()
    finish()
    project = window.state.session.project
    assert "2" in shown[0] and window.toasts.newest.tone == "warn"
    names = {name for each in find_conflicts(project) for name in each.classes}
    assert names == {"green", "red", "violet" if choice == 0 else "blue"}
    assert "violet" in window.state.session.snapshot().class_names if choice == 0 else True
    window.state.session.undo()
    assert [row.labels for row in image_rows(project, (1, 2))] == [("green",), ("green",)]


def test_the_copies_in_a_folder_are_merged_as_one_step(qtbot, window, project_dir: Path, tmp_path, finish, monkeypatch):
    with Project.open(project_dir) as project:
        project.apply(UnlabelImages((1, 2, 3)))
        for name, classes in {"person-2": ("red", "red"), "person-10": ("blue", "green")}.items():
            copy = duplicate_project(project, tmp_path / "back" / name).path
            with Project.open(copy) as other:
                other.apply(LabelImages((1,), classes[0]))
                other.apply(LabelImages((2 if name == "person-2" else 3,), classes[1]))
    (tmp_path / "back" / "notes").mkdir()  # no project
    window.state.open_project(project_dir)
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_args, **_options: tmp_path / "back")
    shown = []

    def act(dialog: MergeDialog) -> None:
        shown.extend(dialog.counts.horizontalHeaderItem(place).text() for place in range(1, 3))
        qtbot.mouseClick(dialog.merge_button, LEFT)

    answer(MergeDialog, act)
    window.show_page("label")
    window.commands.action("file.merge").trigger()
    finish()
    finish()
    project = window.state.session.project
    assert shown == ["person-2", "person-10"] and len(window.toasts.messages()) == 1
    found = {each.class_name: each.origin for conflict in find_conflicts(project) for each in conflict.candidates}
    assert found == {"red": "person-2", "blue": "person-10"}
    assert [row.labels for row in image_rows(project, (2, 3))] == [("red",), ("green",)]
    window.state.session.undo()
    assert not any(row.labels or row.candidates for row in image_rows(project, (1, 2, 3)))
