"""Actions on a finished export: opening its card, or the reason against it."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices

LEFT = Qt.MouseButton.LeftButton


def test_the_card_of_the_export_is_opened_or_its_folder(qtbot, shown, exported, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))  # no program
    qtbot.mouseClick(shown.parity_card.card_button, LEFT)
    assert opened == [str(exported / "README.md"), f"{exported}/"]


def test_an_export_without_a_card_says_so(window, shown, exported):
    (exported / "README.md").unlink()
    shown.mark_stale()
    button = shown.parity_card.card_button
    reason = window.state.actions.why_not("export.card")
    assert not button.isEnabled() and reason and reason in button.toolTip()


def test_without_an_export_there_is_nothing_to_do_with_it(window, shown):
    shown.target_card.name_edit.setText("another")
    for name in ("export.folder", "export.card", "export.check", "export.publish"):
        assert window.state.actions.why_not(name)
