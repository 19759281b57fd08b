"""The settings of a check: shown as a form, given to the check, and those of its last result when the page opens."""

from dataclasses import dataclass

import pytest
from modal import answer
from PySide6.QtCore import Qt

from gui.curate.check_settings import CheckSettings
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


def choose(qtbot, view, act) -> None:
    """Press the button for settings, act on the form, and press the button that runs the check."""

    def act_and_run(dialog: CheckSettings) -> None:
        act(dialog)
        qtbot.mouseClick(dialog.run_button, LEFT)

    answer(CheckSettings, act_and_run)
    qtbot.mouseClick(view.settings_button, LEFT)
    qtbot.waitUntil(lambda: not view.curation.scan.is_running, timeout=20_000)


def write(qtbot, editor, text: str) -> None:
    editor.selectAll()
    qtbot.keyClicks(editor, text)


@pytest.mark.slow
def test_a_check_runs_with_the_settings_of_its_form(qtbot, open_curate, grey_dir):
    page = open_curate(grey_dir, "first")
    view = page.view
    assert view.settings_button.isVisible() and not view.controls.slider.isVisible()  # before the first result
    choose(qtbot, view, lambda dialog: write(qtbot, dialog.form.editor("most"), "5"))
    qtbot.waitUntil(lambda: len(page.grid.images.ids) == 5, timeout=10_000)
    assert view.controls.slider.isVisible()
    assert read_result(grey_dir, "first").settings == {"most": 5, "share": 0.9}
    qtbot.mouseClick(page.find_button, LEFT)  # all checks, with the settings that were chosen
    qtbot.waitUntil(lambda: not view.curation.scan.is_running, timeout=60_000)
    assert read_result(grey_dir, "first").settings["most"] == 5


def test_an_invalid_setting_is_named_and_not_used(qtbot, open_curate, grey_dir):
    view = open_curate(grey_dir, "first").view
    seen = []

    def act(dialog: CheckSettings) -> None:
        share = dialog.form.editor("share")
        write(qtbot, share, "9")  # of 1
        seen.append((dialog.form.first_fault() is share, dialog.run_button.isEnabled()))
        write(qtbot, share, "0.6")
        seen.append((dialog.form.first_fault(), dialog.run_button.isEnabled()))

    choose(qtbot, view, act)
    assert seen == [(True, False), (None, True)]
    assert read_result(grey_dir, "first").settings["share"] == 0.6


def test_a_closed_dialog_changes_nothing(qtbot, open_curate, grey_dir):
    view = open_curate(grey_dir, "first").view

    def act(dialog: CheckSettings) -> None:
        write(qtbot, dialog.form.editor("most"), "5")
        dialog.reject()

    answer(CheckSettings, act)
    qtbot.mouseClick(view.settings_button, LEFT)
    assert not view.curation.scan.is_running and view.configured == FirstCheck()


def test_the_form_opens_with_the_settings_of_the_last_result(qtbot, open_curate, grey_dir):
    with Project.open(grey_dir) as project:
        check = CHECKS["first"].with_settings(["most=2"])
        check.run(Inputs(grey_dir, project.snapshot()))
    page = open_curate(grey_dir, "first")
    assert len(page.grid.images.ids) == 2
    seen = []

    def act(dialog: CheckSettings) -> None:
        seen.append(dialog.form.value())
        qtbot.mouseClick(dialog.form.reset_button, LEFT)

    choose(qtbot, page.view, act)
    assert seen == [check]
    qtbot.waitUntil(lambda: len(page.grid.images.ids) == 3, timeout=10_000)
