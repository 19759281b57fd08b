"""A button that cannot be pressed says why in its tooltip, on every page, with and without a project."""

import pytest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget


def silent_buttons(page: QWidget) -> list[str]:
    """Return the visible disabled buttons whose tooltip says no more than their name."""
    buttons = [each for each in page.findChildren(QAbstractButton) if each.isVisible() and not each.isEnabled()]
    names = {each: {each.text(), each.accessibleName(), ""} for each in buttons}
    return [f"{page.name}: {' '.join(names[each])}" for each in buttons if each.toolTip() in names[each]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("project", ["none", "empty", "filled"])
def test_every_disabled_button_says_why(request, window, tmp_path, project):
    if project == "empty":
        window.state.create_project(tmp_path / "empty")
    if project == "filled":
        request.getfixturevalue("image_ids")
    silent: list[str] = []
    for name in window.entries:
        window.show_page(name)
        page = window.page(name)
        for _ in range(3):
            QApplication.processEvents()
        if name == "train" and project == "filled":
            page.setup.more_button.click()
        views = page.view_buttons.buttons() if name == "results" and project == "filled" else ()
        for button in views:
            button.click()
            silent += silent_buttons(page)
        silent += silent_buttons(page)
    assert not silent, "\n".join(dict.fromkeys(silent))
