"""Texts pass one place: messages are translated with their values, data never."""

import ast
import json
from pathlib import Path

import pytest
from translations import literals, name_of, source_files

from gui.app import create_window
from gui.kit import translation
from gui.kit.parts import Button, ElidedLabel, key, text, verbatim
from gui.kit.translation import tr
from gui.preferences import Settings
from gui.state import AppState
from visionft.core import messages
from visionft.core.messages import Message, listed, sentences


@pytest.fixture(autouse=True)
def _english_again():
    yield
    translation.use_language(translation.ENGLISH)


@pytest.fixture
def _german():
    translation.use_language("de")


COUNTED = Message("{count} image", "{count} images")


def test_a_message_is_its_english_text_and_knows_its_template_and_values():
    message = Message("{path}: {reason}", path=Path("a{b}.csv"), reason=Message("missing"))
    assert message == "a{b}.csv: missing"
    assert message.template == "{path}: {reason}" and message.values["path"] == "a{b}.csv"
    assert json.loads(json.dumps({"message": message})) == {"message": str(message)}


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 images"), (1, "1 image"), ("1", "1 image"), (1200, "1,200 images")]
)
def test_a_count_chooses_singular_or_plural(count, shown):
    assert Message(COUNTED, count=count) == tr("{count} image", "{count} images", count=count) == shown


@pytest.mark.usefixtures("_german")
def test_plurals_and_values_that_are_messages_are_translated_too():
    assert tr(Message(COUNTED, count=1)) == "1 Bild" and tr(COUNTED, count=2000) == "2,000 Bilder"
    assert "3 Bilder" in tr(Message("Tag {counted} “{tag}”", counted=Message(COUNTED, count=3), tag="Images"))
    both = tr(sentences(Message("Undo"), "", Message(COUNTED, count=2)))
    assert both == "Rückgängig 2 Bilder"
    assert tr(listed(["a", "b", "c"], 2)) == "a, b und 1 weitere" and listed(["a", "b"], 2) == "a, b"


def test_the_window_speaks_german(qtbot, qapp):
    state = AppState()
    state.settings = Settings(language="de")
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    assert window.rail.button("settings").text() == "Einstellungen"
    assert [action.text() for action in window.menuBar().actions()][:2] == ["&Datei", "&Bearbeiten"]
    assert window.commands.action("file.open").text() == "Projekt öffnen"
    window.show_page("settings")
    assert window.current_page.title != tr(window.current_page.title) == window.current_page.heading.text()
    window.close()
    state.deleteLater()


def test_an_unknown_or_damaged_language_is_english(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(messages, "TRANSLATIONS_FOLDER", tmp_path)
    folder = tmp_path / "xx/LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "visionft.mo").write_bytes(b"no catalogue")
    for code in ("xx", "yy"):
        translation.use_language(code)
        assert tr("Export") == "Export" and code in caplog.messages[-1]


@pytest.mark.usefixtures("_german")
def test_texts_are_translated_and_data_is_not(qtbot):
    button, label = Button("Undo"), text("Undo")
    assert button.text() == label.text() == "Rückgängig"
    for shown in (verbatim("Undo"), ElidedLabel("Undo"), key("Undo")):
        assert shown.text() == "Undo"
    button.setText("Redo")
    label.setText("Redo")
    assert button.text() == label.text() == "Redo"


SHOWS = {
    "setText", "setToolTip", "setAccessibleName", "setAccessibleDescription", "setPlaceholderText", "setWindowTitle",
    "setHorizontalHeaderLabels", "verbatim", "show_name", "QCheckBox", "QRadioButton", "QLabel", "QPushButton",
    "QAction",
}  # fmt: skip


def test_no_text_of_the_source_reaches_a_widget_past_tr():
    """Setters show data as it is, so the program's own texts need `tr` at the call."""
    missing = []
    for path, tree in source_files().items():
        for node in ast.walk(tree) if path.startswith("gui/") else ():
            if isinstance(node, ast.Call) and name_of(node.func) in SHOWS and node.args:
                missing += [f"{path}:{node.lineno} {each}" for each in literals(node.args[0]) if each != "VisionFT"]
    assert not missing
