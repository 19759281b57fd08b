"""The manual opens at the page in front, in the language of the window; its pages, links and images exist."""

import re
import shutil
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt, QUrl
from translations import catalogues, read_po

from gui.kit import translation
from gui.shell.manual import ManualDialog, manual_folder, manual_pages

NAMES = [name for name, _ in manual_pages()]
LANGUAGES = ["", *catalogues()]


def texts_of(language: str) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in (manual_folder() / language).glob("*.md")}


def emphasised(text: str) -> list[str]:
    return [" ".join(name.split()) for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", text)]


def test_f1_opens_the_manual_at_the_page_in_front_and_links_lead_to_others(window, qtbot) -> None:
    for page in window.entries:
        window.show_page(page)
        qtbot.keyClick(window, Qt.Key.Key_F1)
        assert window.manual.page == {"project": "import", "settings": "first-steps"}.get(page, page)
        assert window.manual.isVisible() and window.manual.view.toPlainText().strip()
        window.manual.follow(QUrl("train.md"))
        assert window.manual.page == "train"
        window.manual.reject()


@pytest.fixture
def german() -> Iterator[None]:
    translation.use_language("de")
    yield
    translation.use_language(translation.ENGLISH)


def test_a_german_window_shows_the_german_pages(window, german, qtbot) -> None:
    window.show_page("label")
    qtbot.keyClick(window, Qt.Key.Key_F1)
    manual = window.manual
    assert [manual.pages.item(row).text() for row in (0, 2)] == ["Erste Schritte", "Beschriften"]
    for name in NAMES:
        manual.follow(QUrl(f"{name}.md"))
        shown = manual.view.toPlainText()
        assert manual.page == name
        assert shown.startswith(manual.pages.currentItem().text()) and "translation of" not in shown


def test_a_page_without_a_translation_is_english(window, german, tmp_path, monkeypatch) -> None:
    shutil.copytree(manual_folder(), tmp_path / "manual")
    (tmp_path / "manual/de/train.md").unlink()
    monkeypatch.setattr("gui.shell.manual.manual_folder", lambda: tmp_path / "manual")
    manual = ManualDialog(window, "train")
    assert manual.pages.currentItem().text() == "Trainieren"
    assert manual.view.toPlainText().startswith("Train\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_in_the_contents_and_its_links_and_images_exist(language: str) -> None:
    texts, folder = texts_of(language), manual_folder() / language
    assert {f"{name}.md" for name in texts} - {"README.md"} == set(re.findall(r"\]\((.+)\)", texts["README"]))
    for name, text in texts.items():
        assert text.startswith("# ")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("https://") or (folder / target).is_file(), f"{language}/{name}: {target}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_manual_names_commands_as_the_window_does(language: str) -> None:
    messages = {key[0]: texts[0] for key, texts in read_po(catalogues()[language or "de"]).items()}
    shown = texts_of(language)
    for page, text in texts_of("").items():
        names = emphasised(text)
        assert set(names) <= messages.keys(), f"{page}: {set(names) - messages.keys()}"
        if language:
            assert sorted(emphasised(shown[page])) == sorted(messages[name] for name in names), page
