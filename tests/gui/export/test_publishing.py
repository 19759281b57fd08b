"""Publishing: the destination is shown first, nothing is sent without Send, and the window says every refusal."""

import logging
from pathlib import Path

import pytest
import shiboken6
from huggingface_hub import get_token
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from gui.export.exporting import UploadOffer
from gui.export.publishing import PublishDialog, proposed_name
from visionft.core.offline import OFFLINE_VARIABLE
from visionft.export.verifying import UploadFile

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
    assert "model.onnx" in dialog.files.text() and "samples/" in dialog.files.text()
    assert "page.html" not in dialog.files.text() and len(dialog.notes) == 1
    assert dialog.name_edit.text() == "001-resnet18-lora" and not dialog.public_box.isChecked()
    dialog.name_edit.setText("")
    assert not dialog.send_button.isEnabled() and dialog.send_button.toolTip()
    assert not hub.asked


def test_it_arrives_private_with_the_token_of_this_computer(qtbot, window, shown, dialog, hub, exported):
    send(qtbot, window, dialog)
    assert hub.is_private is True and hub.tokens - {""} == {"hf_test"}
    assert hub.files["model.onnx"] == (exported / "model.onnx").read_bytes() and "samples/page.html" in hub.files
    assert f"{hub.url}/me/model" in window.toasts.message() and not shown.why_not_publish()


def test_everybody_may_see_it_only_when_that_was_said(qtbot, window, dialog, hub):
    dialog.public_box.click()
    send(qtbot, window, dialog)
    assert hub.is_private is False


def test_a_typed_token_is_used_once_and_kept_nowhere(qtbot, window, dialog, hub, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG, "visionft")
    monkeypatch.delenv("HF_TOKEN")
    qtbot.keyClicks(dialog.token_edit, "hf_typed")
    send(qtbot, window, dialog)
    assert hub.tokens - {""} == {"hf_typed"} and hub.files
    assert get_token() is None and "hf_typed" not in caplog.text


def test_a_refusal_is_said(qtbot, window, dialog, hub):
    hub.status = 403
    dialog.name_edit.setText("me/birds")
    send(qtbot, window, dialog)
    assert "me/birds" in window.toasts.message() and window.toasts.newest.tone == "bad" and not hub.files


def test_a_file_that_was_changed_meanwhile_is_not_sent(qtbot, window, dialog, hub, exported):
    (exported / "README.md").write_text("# other\n")
    send(qtbot, window, dialog)
    assert "README.md" in window.toasts.message() and not hub.asked


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
    offer = UploadOffer(
        files=files, hub="hub.example", has_token=False, caveats=("ask <b>a lawyer",), names_images=True
    )
    parent = QWidget()
    qtbot.addWidget(parent)
    dialog = PublishDialog(parent, offer, name="x")
    assert "index.safetensors" in dialog.notes[0].text() and "ask <b>a lawyer" in dialog.notes[1].text()
    assert not dialog.send_button.isEnabled()
