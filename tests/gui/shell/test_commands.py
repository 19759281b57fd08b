"""One table of commands: menus and sheet agree; keys never collide; undo names its step."""

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent

from gui.actions import EVERYWHERE, LABEL, VIEWER, Actions
from gui.kit import drops

NONE, CONTROL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def actions(window) -> Actions:
    return window.state.actions


def test_no_two_commands_share_a_key_where_both_work(actions):
    taken: dict[str, list[str]] = {}  # {keys: the places of its commands}
    for action in actions:
        for keys in action.keys:
            for other in taken.get(keys, []):
                places = {action.scope, other}
                assert len(places) == 2 and EVERYWHERE not in places and places != {LABEL, VIEWER}, keys
            taken.setdefault(keys, []).append(action.scope)


def test_a_class_cannot_have_a_key_that_the_label_page_takes(actions, window):
    taken = actions.letters_in_use()
    assert taken["n"] == actions["label.skip"].title and taken["?"] == actions["help.shortcuts"].title
    assert not {"0", "q"} & set(taken)


def drop(window, *paths) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    event = QDropEvent(QPointF(400, 300), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, NONE)
    window.dropEvent(event)


def test_a_project_or_a_model_dropped_on_any_page_is_opened(window, project_dir, images, tmp_path):
    assert drops.recognise_drop([images]).kind == "source"
    assert drops.recognise_drop([images / "red" / "red_000.png"]).kind == "images"
    window.show_page("settings")
    drop(window, project_dir)
    assert window.state.path == project_dir and window.current_page.name == "project"
    model = tmp_path / "elsewhere" / "model.onnx"
    model.parent.mkdir()
    model.write_bytes(b"")
    window.show_page("label")
    drop(window, model)
    assert window.current_page.name == "try" and window.page("try").model() == model
