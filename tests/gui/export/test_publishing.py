"""Publishing: the destination is shown first, nothing is sent without Send, and the dialog shows every refusal."""

import logging
from pathlib import Path

import pytest
import shiboken6
from huggingface_hub import constants, get_token
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QLabel, QWidget

from gui.export.exporting import UploadOffer
from gui.export.publishing import PublishDialog, proposed_name
from gui.kit.theme import apply_theme
from gui.tasks import Failure
from visionft.export.bundle.verifying import UploadFile
from visionft.weights.offline import OFFLINE_VARIABLE

LEFT = Qt.MouseButton.LeftButton
# httpx warns of how huggingface_hub sends large files.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def dialog(qtbot, window, shown, hub, finish):
    qtbot.mouseClick(shown.parity_card.publish_button, LEFT)
    finish()
    (dialog,) = window.findChildren(PublishDialog)
    yield dialog
    if shiboken6.isValid(dialog):
        dialog.reject()


def send(qtbot, window, dialog) -> None:
    qtbot.mouseClick(dialog.send_button, LEFT)
    qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=30_000)


def test_what_goes_where_is_said_and_nothing_goes_before(dialog, hub):
    said = dialog.about.text()
    assert "5" in said and "127.0.0.1" in said and len(dialog.notes) == 1
    assert "model.onnx" in dialog.files.text() and "samples/" in dialog.files.text()
    assert "page.html" not in dialog.files.text()
    assert dialog.name_edit.text() == "001-resnet18-lora" and dialog.who.value() == "private"
    assert not hub.asked


def test_it_arrives_private_with_the_token_of_this_computer(qtbot, window, dialog, hub, exported, monkeypatch):
    assert dialog.which.value() == "known" and "HF_TOKEN" in dialog.which.buttons["known"].text()
    send(qtbot, window, dialog)
    assert hub.is_private is True and hub.tokens - {""} == {"hf_test"}
    assert hub.files["model.onnx"] == (exported / "model.onnx").read_bytes() and "samples/page.html" in hub.files
    assert f"{hub.url}/me/model" in dialog.address_label.text()
    assert dialog.about.isHidden()  # nothing is sent before Send is pressed: this state is over
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    qtbot.mouseClick(dialog.page_button, LEFT)
    qtbot.mouseClick(dialog.copy_button, LEFT)
    assert opened == [f"{hub.url}/me/model"] and QGuiApplication.clipboard().text() == f"{hub.url}/me/model"


def test_everybody_may_see_it_only_when_that_was_said(qtbot, window, dialog, hub):
    qtbot.mouseClick(dialog.who.buttons["public"], LEFT)
    send(qtbot, window, dialog)
    assert hub.is_private is False


def test_another_token_is_used_once_and_kept_nowhere(qtbot, window, dialog, hub, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "visionft")
    monkeypatch.delenv("HF_TOKEN")
    qtbot.mouseClick(dialog.which.buttons["other"], LEFT)
    assert not dialog.send_button.isEnabled() and dialog.send_button.toolTip()
    qtbot.keyClicks(dialog.token_edit, "hf_typed")
    send(qtbot, window, dialog)
    assert hub.tokens - {""} == {"hf_typed"} and hub.files
    assert get_token() is None and "hf_typed" not in caplog.text


def test_a_token_is_remembered_when_that_was_asked(qtbot, window, dialog, hub, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    qtbot.mouseClick(dialog.which.buttons["other"], LEFT)
    qtbot.keyClicks(dialog.token_edit, "hf_typed")
    dialog.keep_box.click()
    hub.status = 401
    send(qtbot, window, dialog)
    assert get_token() is None  # the hub did not know it
    hub.status = 0
    send(qtbot, window, dialog)
    assert get_token() == "hf_typed" and hub.files


def test_a_refusal_is_said_beside_what_was_typed(qtbot, window, dialog, hub):
    hub.status = 403
    dialog.name_edit.setText("me/birds")
    send(qtbot, window, dialog)
    assert "me/birds" in dialog.fault.message() and dialog.fault.hint() and dialog.fault.tone == "bad"
    assert dialog.name_edit.text() == "me/birds" and dialog.send_button.isVisible() and not hub.files
    hub.status = 0
    send(qtbot, window, dialog)
    assert hub.files and dialog.fault.message() == ""


def test_a_repository_that_holds_files_is_left_alone_unless_they_may_be_replaced(qtbot, window, dialog, hub):
    hub.is_private, hub.files = True, {"theirs.bin": b"x"}
    send(qtbot, window, dialog)
    assert dialog.fault.tone == "bad" and set(hub.files) == {"theirs.bin"}
    dialog.replace_box.click()
    send(qtbot, window, dialog)
    assert {"theirs.bin", "model.onnx"} <= set(hub.files)


def test_a_hub_that_is_gone_and_a_name_that_is_none_are_said(qtbot, window, dialog, hub, monkeypatch):
    dialog.name_edit.setText("a/b/c")
    send(qtbot, window, dialog)
    assert "a/b/c" in dialog.fault.message()
    dialog.name_edit.setText("")
    assert not dialog.send_button.isEnabled()
    dialog.name_edit.setText("birds")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    send(qtbot, window, dialog)
    assert dialog.fault.tone == "bad" and dialog.fault.message() and not hub.files


def test_a_file_that_was_changed_meanwhile_is_not_sent(qtbot, window, dialog, hub, exported):
    (exported / "README.md").write_text("# other\n")
    send(qtbot, window, dialog)
    assert "README.md" in dialog.fault.message() and not hub.asked


def test_sending_is_stopped_from_the_dialog(qtbot, window, dialog, hub):
    window.state.tasks.reported.connect(lambda handle, event: dialog.stop_button.click())
    send(qtbot, window, dialog)
    assert dialog.fault.tone == "info"
    assert dialog.send_button.isVisible() and not hub.files


def test_a_closed_dialog_lets_it_go_on_and_the_window_says_the_end(qtbot, window, shown, dialog, hub, finish):
    qtbot.mouseClick(dialog.send_button, LEFT)
    qtbot.mouseClick(dialog.close_button, LEFT)
    assert shown.why_not_publish()
    finish()
    assert hub.files and hub.url in window.toasts.message()


def test_offline_the_window_says_so_and_asks_nothing(qtbot, window, shown, monkeypatch, finish):
    monkeypatch.setenv(OFFLINE_VARIABLE, "1")
    qtbot.mouseClick(shown.parity_card.publish_button, LEFT)
    finish()
    assert window.toasts.newest.tone == "bad" and not window.findChildren(PublishDialog)


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("001-resnet18-lora", "001-resnet18-lora"),
        ("Vögel im Süden", "V-gel-im-S-den"),
        ("..a..b--c.", "a-b-c"),
        ("鳥", ""),
    ],
)
def test_a_name_is_proposed_that_the_hub_takes(name, proposed):
    from huggingface_hub.utils import validate_repo_id

    assert proposed_name(name) == proposed and len(proposed_name("x" * 200)) == 96
    if proposed:
        validate_repo_id(proposed)


def test_the_index_and_the_rights_in_the_weights_are_told_before(qtbot):
    files = (UploadFile(name="index.safetensors", path=Path("index.safetensors"), bytes=9),)
    offer = UploadOffer(files=files, hub="hub.example", token="", caveats=("ask <b>a lawyer",), names_images=True)
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = PublishDialog(parent, offer, name="x")
    assert "index.safetensors" in dialog.notes[0].text() and "ask <b>a lawyer" in dialog.notes[1].text()
    assert dialog.which.isHidden() and dialog.which.value() == "other" and not dialog.send_button.isEnabled()
    assert "9 bytes" in dialog.about.text() and "hub.example" in dialog.about.text()


@pytest.fixture
def told_in_full(qtbot, qapp, styled):
    """Return a function to show all texts of the dialog over a window of a size, at a text size."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def make(size: tuple[int, int], scale: float) -> PublishDialog:
        apply_theme(qapp, "light", font_scale=scale)
        parent.resize(*size)
        files = tuple(UploadFile(name=f"{name}.onnx", path=Path(name), bytes=10**8) for name in ("model", "a" * 40))
        offer = UploadOffer(
            files=files, hub="huggingface.co", token="", names_images=True, caveats=("ask a lawyer. " * 8,)
        )
        dialog = PublishDialog(parent, offer, name="birds")
        dialog.open()
        qtbot.mouseClick(dialog.who.buttons["public"], LEFT)
        dialog.show_failure(Failure(message="It is there already and holds files.", hint="Choose another name. " * 8))
        qapp.processEvents()
        return dialog

    yield make
    apply_theme(qapp, "light")


def is_seen(widget: QWidget) -> bool:
    return widget.visibleRegion().boundingRect() == widget.rect()


def test_in_a_low_window_with_large_text_the_form_scrolls_and_the_buttons_stay(qtbot, told_in_full):
    dialog = told_in_full((1024, 680), 1.5)
    assert dialog.height() < 680 and dialog.width() < 1024
    assert all(map(is_seen, (dialog.fault, dialog.close_button, dialog.send_button, dialog.name_edit)))
    assert not is_seen(dialog.keep_box)
    for _ in range(12):
        qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_Tab)
        if dialog.keep_box.hasFocus():
            break
    assert is_seen(dialog.keep_box)  # the focused widget scrolls into view
    assert all(map(is_seen, (dialog.fault, dialog.close_button, dialog.send_button)))


def test_where_there_is_room_nothing_scrolls(told_in_full):
    dialog = told_in_full((1280, 1000), 1.0)
    labels = [label for label in dialog.findChildren(QLabel) if label.isVisible()]
    assert len(labels) > 8 and all(map(is_seen, (*labels, dialog.keep_box, dialog.send_button)))
