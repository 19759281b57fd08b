"""Messages pass one place: catalogues fit the program, placeholders stay, data is never translated."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gui
import models
import visionft
from gui.app import PAGES, create_window
from gui.kit import i18n
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, key, text, verbatim
from gui.kit.singulars import OF_ONE
from gui.preferences import Settings
from gui.state import AppState
from models.catalog import BACKBONES
from models.methods.lora import GROUPED
from models.methods.prefix import ROTARY
from models.methods.table import METHODS
from models.methods.zero_shot import NO_TEXT
from visionft import errors
from visionft.errors import VisionFTError
from visionft.training.config.presets import PRESETS
from visionft.training.config.train_config import TrainConfig

SOURCE = Path(gui.__file__).parent
LANGUAGES = [code for code in i18n.languages() if code != i18n.ENGLISH]


@pytest.fixture(autouse=True)
def _english_again():
    yield
    i18n.use_language(i18n.ENGLISH)


def constants() -> set[str]:
    """Return every string that the window's source names."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def engine_words() -> set[str]:
    """Return what the window says of settings, methods, presets and backbones: the engine holds these words."""
    config = TrainConfig()
    groups = [config, *(getattr(config, name) for name in METHODS)]
    fields = [field.metadata for group in groups for field in dataclasses.fields(group) if field.metadata]
    words = {each[key] for each in fields for key in ("label", "help", "unit") if each[key]}
    words |= {word for method in METHODS.values() for word in (method.title, method.summary, method.when)}
    words |= {reason for method in METHODS.values() for reason in method.unsupported.values()} | {
        GROUPED,
        NO_TEXT,
        ROTARY,
    }
    words |= {word for preset in PRESETS.values() for word in (preset.title, preset.words)}
    return words | {backbone.summary for backbone in BACKBONES.values()}


def told_by_the_engine() -> set[str]:
    """Return the stages and notices of the engine, with `{}` where a value comes in."""
    calls = (node for tree in engine_trees() for node in ast.walk(tree) if isinstance(node, ast.Call))
    words = (word.value for call in calls for word in call.keywords if word.arg in ("stage", "message"))
    return {template for word in words if (template := template_of(word))}


def engine_trees() -> Iterator[ast.Module]:
    """Yield the modules whose words reach the window."""
    for root in (Path(package.__file__).parent for package in (visionft, models)):
        paths = [path for path in root.rglob("*.py") if not {"cli", "starter"} & set(path.relative_to(root).parts)]
        for path in paths:
            yield ast.parse(path.read_text(encoding="utf-8"))


EXPECTED = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, VisionFTError)}


def errors_of_the_engine() -> set[str]:
    """Return the messages and hints of expected errors, with `{}` where a value comes in; no bare values."""
    calls = (node for tree in engine_trees() for node in ast.walk(tree) if isinstance(node, ast.Call))
    raised = (word for call in calls if name_of(call.func) in EXPECTED for word in call.args[:2])
    templates = {template_of(word) for word in raised}
    return {each for each in templates if sum(map(str.isalpha, each)) >= i18n._LEAST_LETTERS and " " in each.strip()}


def engine_templates() -> set[str]:
    """Return every text that the engine puts together, with `{}` where a value comes in."""
    return {template for tree in engine_trees() for node in ast.walk(tree) if (template := template_of(node))}


def template_of(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(template_of(part) or "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def without_names(message: str) -> str:
    return re.sub(r"{\w+}", "{}", message)


def test_there_is_a_second_language():
    assert "de" in LANGUAGES and i18n.languages()["de"] == "Deutsch"


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_catalogue_has_no_message_that_the_program_does_not_say(code):
    said = constants() | engine_words()
    pieces = [part for template in engine_templates() for part in template.split("{}") if len(part) > 1]
    engine = "\n".join(pieces)
    stale = [each for each in i18n.read_catalogue(code) if each not in said and not is_of(each, engine)]
    assert not stale


def is_of(message: str, engine: str) -> bool:
    """Tell whether the engine says all the words between the values of a message."""
    return all(part.strip(" .;:()") in engine for part in without_names(message).split("{}"))


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_translation_keeps_the_placeholders(code):
    names = re.compile(r"{(\w+)}")
    catalogue = i18n.read_catalogue(code)
    wrong = {m: t for m, t in catalogue.items() if sorted(names.findall(m)) != sorted(names.findall(t))}
    assert not wrong


@pytest.mark.parametrize("code", LANGUAGES)
def test_translating_twice_changes_nothing(code):
    catalogue = i18n.read_catalogue(code)
    assert not {t: catalogue[t] for t in catalogue.values() if catalogue.get(t, t) != t}


@pytest.mark.parametrize("code", LANGUAGES)
def test_rail_menus_and_commands_are_translated_whole(code, window):
    actions = window.state.actions
    said = {action.title for action in actions} | {action.menu or action.place for action in actions}
    said |= {page.title for page in PAGES}
    assert not said - set(i18n.read_catalogue(code))


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_stages_and_notices_of_the_engine_are_translated_whole(code):
    known = {without_names(message) for message in i18n.read_catalogue(code)}
    assert not told_by_the_engine() - known


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_errors_of_the_engine_are_translated_whole(code):
    known = {without_names(message) for message in i18n.read_catalogue(code)}
    assert not errors_of_the_engine() - known


NEVER_ONE = {"{count} tasks are running or waiting", "{count} parameters, {size} px", "{shown} of {count} networks"}


def test_what_counts_has_a_word_for_one():
    """Never "1 pictures": what counts is also said of one, in `gui/kit/singulars.py`."""
    of_many = re.compile(r"{count} (?!(?:as|has|is|was)\b)[a-z]+s\b")
    counting = {message for message in constants() if of_many.search(message) and "`" not in message}
    assert not counting - set(OF_ONE) - NEVER_ONE
    assert tr("{count} pictures", count=1) == tr("{count} pictures", count="1") == "1 picture"
    assert tr("{count} pictures", count="1,000") == "1,000 pictures"
    i18n.use_language("de")
    assert tr("{count} pictures", count=1) == "1 Bild" and tr("{count} pictures", count=2) == "2 Bilder"


@pytest.mark.parametrize("code", LANGUAGES)
def test_one_is_translated_where_many_are(code):
    catalogue = i18n.read_catalogue(code)
    assert not [one for many, one in OF_ONE.items() if many in catalogue and one not in catalogue]


def test_what_comes_with_its_values_in_it_is_found():
    i18n.use_language("de")
    assert tr("Trying ResNet-18 {a}") == "ResNet-18 {a} wird probiert"
    assert tr("Starts from random weights. This network has no place for head.") == (
        "Beginnt mit zufälligen Gewichten. In diesem Netz ist kein Platz für head."
    )
    assert tr("3 missing pictures found again.") == "3 fehlende Bilder wiedergefunden."
    assert tr("Split 3 pictures") == "3 Bilder aufteilen"
    assert tr("Split your zebras first.") == "Split your zebras first."  # only a number makes it that message
    assert tr("Zebra") == "Zebra"


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_words_of_the_engine_on_the_train_page_are_translated_whole(code):
    assert not engine_words() - set(i18n.read_catalogue(code))


def test_the_window_speaks_german(qtbot, qapp):
    state = AppState()
    state.settings = Settings(language="de")
    window = create_window(qapp, state)
    qtbot.addWidget(window)
    assert window.rail.button("settings").text() == "Einstellungen"
    assert [action.text() for action in window.menuBar().actions()][:2] == ["&Datei", "&Bearbeiten"]
    assert "Projekt öffnen" in [command.title for command in window.commands.listed()]
    window.show_page("settings")
    assert window.current_page.offline_box.text() == "Ohne Netz arbeiten"
    window.close()
    state.deleteLater()


def test_values_are_put_in_and_unknown_messages_stay():
    i18n.use_language("de")
    assert tr("{count} files, {size}", count=3, size="2 MB") == "3 Dateien, 2 MB"
    assert tr("no such message") == "no such message"


def test_an_unknown_or_damaged_language_is_english(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(i18n, "_FOLDER", tmp_path)
    (tmp_path / "xx.json").write_text("{")
    i18n.use_language("xx")
    assert tr("Export") == "Export" and "No translation into xx" in caplog.text


def test_words_are_translated_and_data_is_not(qtbot):
    i18n.use_language("de")
    button, label = Button("Undo"), text("Undo")
    assert button.text() == label.text() == "Rückgängig"
    for shown in (verbatim("Undo"), ElidedLabel("Undo"), key("Undo")):
        assert shown.text() == "Undo"
    button.setText("Redo")
    label.setText("Redo")
    assert button.text() == label.text() == "Redo"


def test_no_words_of_the_source_reach_a_widget_past_tr():
    """Setters show data as it is, so the program's own words need `tr` at the call."""
    missing = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node.func) in SHOWS and node.args and is_words(node.args[0]):
                missing.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
    assert not missing


SHOWS = {
    "setText", "setToolTip", "setAccessibleName", "setAccessibleDescription", "setPlaceholderText", "setWindowTitle",
    "setHorizontalHeaderLabels", "verbatim", "show_name", "QCheckBox", "QRadioButton", "QLabel", "QPushButton",
    "QAction",
}  # fmt: skip
NAMES = {"VisionFT"}


def name_of(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def is_words(shown: ast.expr) -> bool:
    """Whether these are words of the source, or a choice or list that holds some."""
    match shown:
        case ast.Constant(value=str() as words):
            return sum(letter.isalpha() for letter in words) > 1 and words not in NAMES
        case ast.IfExp(body=body, orelse=orelse):
            return is_words(body) or is_words(orelse)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return any(is_words(element) for element in elements)
        case _:
            return False


def test_the_pseudo_language_is_40_percent_longer_and_stays_so():
    i18n.use_language(i18n.PSEUDO)
    for message in ("Export", "{count} files, {size}", "Every change takes effect at once and is kept"):
        longer = tr(message)
        assert len(longer) >= 1.4 * len(message) and tr(longer) == longer
    assert tr("128") == "128"
