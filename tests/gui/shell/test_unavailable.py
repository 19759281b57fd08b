"""An unavailable command gives its reason wherever it is shown."""

from functools import partial


def test_what_cannot_be_done_says_why_in_the_menu_and_on_the_button(window, tmp_path):
    redo, why_not = window.commands.action("edit.redo"), partial(window.state.actions.why_not, "edit.redo")
    assert not redo.isEnabled() and redo.toolTip() == why_not()
    window.state.create_project(tmp_path / "empty")
    window.show_page("label")
    assert redo.toolTip() == redo.statusTip() == why_not()
    assert window.page("label").redo_button.toolTip().endswith(f"(Ctrl+Shift+Z)\n{why_not()}")
