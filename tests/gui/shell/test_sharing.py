"""Sharing from the File menu: the live forecast, its faults with the next step, the shares, and their folder."""

from collections.abc import Callable
from pathlib import Path

import pytest
from modal import answer
from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from gui.kit import dialogs
from gui.shell.sharing import ShareDialog
from visionft.project.edits.changes import UnlabelImages
from visionft.project.store import Project

LEFT = Qt.MouseButton.LeftButton


class Opener(QObject):
    """A file manager that keeps what it is to show."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Path] = []

    @Slot(QUrl)
    def take(self, url: QUrl) -> None:
        self.opened.append(Path(url.toLocalFile()))


@pytest.fixture
def share(window, project_dir: Path) -> Callable[[Callable[[ShareDialog], object]], None]:
    """Return a function that acts on the dialog, in a project with 5 labelled and 20 other images."""
    with Project.open(project_dir) as project:
        project.apply(UnlabelImages(tuple(range(1, 21))))
    window.state.open_project(project_dir)

    def share(act: Callable[[ShareDialog], object]) -> None:
        answer(ShareDialog, act)
        window.commands.action("file.share").trigger()

    return share


def test_the_images_are_shared_as_forecast_and_their_folder_opens(qtbot, window, share, tmp_path, finish) -> None:
    said: list[str] = []

    def act(dialog: ShareDialog) -> None:
        said.append(dialog.forecast.text())
        dialog.people_box.setValue(3)
        said.append(dialog.forecast.text())
        dialog.again_box.click()
        dialog.common_box.setValue(20)
        dialog.copy_box.click()
        said.append(dialog.forecast.text())
        dialog.folder_edit.setText("shared")  # beside the project
        qtbot.mouseClick(dialog.share_button, LEFT)

    share(act)
    finish()
    assert [[word for word in words.split() if word.isdigit()] for words in said] == [
        ["11", "2"],
        ["8", "2"],
        ["11", "12", "5"],
    ] and "kB" in said[2]
    for number, count in ((1, 12), (2, 12), (3, 11)):
        with Project.open(tmp_path / "shared" / f"person-{number}", read_only=True) as project:
            images = project.snapshot().images
            assert len(images) == count and all(image.path.is_relative_to(project.path) for image in images)
    opener = Opener()
    QDesktopServices.setUrlHandler("file", opener, "take")
    try:
        qtbot.mouseClick(window.toasts.newest.way_button, LEFT)
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert opener.opened == [tmp_path / "shared"]


def test_a_fault_is_shown_with_its_next_step_and_nothing_is_written(
    qtbot, window, share, images: Path, tmp_path, finish, monkeypatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(dialogs, "ask_folder", lambda _parent, title, *_args: asked.append(title))
    before = sorted(tmp_path.iterdir())

    def act(dialog: ShareDialog) -> None:
        assert dialog.share_button.isEnabled() and dialog.fault.isHidden()
        for place in (images, dialog.target.parent / "project" / "in it"):
            free, _ = dialog.folder_edit.text(), dialog.folder_edit.setText(str(place))
            assert dialog.fault.hint() and not dialog.share_button.isEnabled() and dialog.forecast.isHidden()
            dialog.folder_edit.setText(free)
            assert dialog.share_button.isEnabled() and dialog.fault.isHidden()
        dialog.people_box.setValue(30)
        assert not dialog.share_button.isEnabled()
        dialog.people_box.setValue(2)
        images.rename(images.with_name("gone"))
        dialog.copy_box.click()
        assert not dialog.share_button.isEnabled()
        qtbot.mouseClick(dialog.fault.way_button, LEFT)

    share(act)
    images.with_name("gone").rename(images)
    assert len(asked) == 1  # where the images are now
    assert sorted(tmp_path.iterdir()) == before and not window.state.tasks.pending
