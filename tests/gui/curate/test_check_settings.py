"""The settings of a check: shown as a form, given to the check, and those of its last result when the page opens."""

from dataclasses import dataclass

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSpinBox
from visible_texts import visible_texts

from models.settings import setting
from visionft.curation.check import Check, CheckResult, Inputs, Issue, read_result
from visionft.curation.table import CHECKS
from visionft.project.store import Project

LEFT = Qt.MouseButton.LeftButton


@dataclass(frozen=True)
class FirstCheck(Check):
    """Flags the images up to a number."""

    name, title, summary = "first", "First images", "The images that came first."

    most: int = setting(3, label="Highest number", help="Number of the last flagged image.", limits=(1, 100))
    share: float = setting(0.9, label="Their score", help="Of each flagged image.", limits=(0, 1))

    def find_issues(self, inputs: Inputs) -> CheckResult:
        issues = tuple(
            Issue(image_id=each.image_id, sha256=each.sha256, score=self.share, kind="first", reason="It came first.")
            for each in inputs.images.images
            if each.image_id <= self.most
        )
        return CheckResult(check=self.name, issues=issues, threshold=0.5, checked=len(inputs.images.images))


@pytest.fixture(autouse=True)
def first_check(use_views) -> None:
    use_views(check=FirstCheck())


def press_find(qtbot, view) -> None:
    qtbot.mouseClick(view.settings.run_button, LEFT)
    qtbot.waitUntil(lambda: not view.curation.scan.is_running, timeout=20_000)


def test_a_check_runs_with_the_settings_of_its_form(qtbot, open_curate, grey_dir):
    page = open_curate(grey_dir, "first")
    view = page.view
    view.settings.open()
    form = view.settings.form
    assert view.settings.isVisible() and not view.controls.isVisible()  # before the first result
    assert "Highest number" in visible_texts(page)
    most = form.editor("most")
    assert isinstance(most, QSpinBox)
    most.setValue(5)
    press_find(qtbot, view)
    qtbot.waitUntil(lambda: view.loaded is not None, timeout=10_000)
    assert len(page.grid.images.ids) == 5 and view.controls.isVisible()
    assert read_result(grey_dir, "first").settings == {"most": 5, "share": 0.9}
    most.setValue(7)
    assert len(page.grid.images.ids) == 5  # until it runs
    qtbot.mouseClick(page.find_button, LEFT)  # all checks, with the settings in their forms
    qtbot.waitUntil(lambda: len(page.grid.images.ids) == 7, timeout=20_000)


def test_an_invalid_setting_is_named_and_not_used(qtbot, open_curate, grey_dir):
    view = open_curate(grey_dir, "first").view
    view.settings.open()
    share = view.settings.form.editor("share")
    share.selectAll()
    qtbot.keyClicks(share, "9")  # of 1
    assert view.settings.form.first_fault() is share and not view.settings.run_button.isEnabled()
    share.selectAll()
    qtbot.keyClicks(share, "0.6")
    assert view.settings.form.first_fault() is None
    press_find(qtbot, view)
    assert read_result(grey_dir, "first").settings["share"] == 0.6


def test_the_page_opens_with_the_settings_of_the_last_result(qtbot, open_curate, grey_dir):
    with Project.open(grey_dir) as project:
        check = CHECKS["first"].with_settings(["most=2"])
        check.run(Inputs(grey_dir, project.snapshot()))
    page = open_curate(grey_dir, "first")
    assert page.view.settings.form.editor("most").value() == 2 and len(page.grid.images.ids) == 2
    page.view.settings.open()
    qtbot.mouseClick(page.view.settings.form.reset_button, LEFT)
    press_find(qtbot, page.view)
    qtbot.waitUntil(lambda: len(page.grid.images.ids) == 3, timeout=10_000)
