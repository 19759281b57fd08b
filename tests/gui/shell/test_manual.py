"""The manual opens at the page in front; its pages, links and images exist."""

import re
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl

import resources
from gui.shell.manual import manual_folder, manual_pages

NAMES = [name for name, _ in manual_pages(manual_folder())]


def test_f1_opens_the_manual_at_the_page_in_front_and_links_lead_to_others(window, qtbot) -> None:
    for page in window.entries:
        window.show_page(page)
        qtbot.keyClick(window, Qt.Key.Key_F1)
        assert window.manual.page == {"project": "import", "settings": "first-steps"}.get(page, page)
        assert window.manual.isVisible() and window.manual.view.toPlainText().strip()
        window.manual.follow(QUrl("train.md"))
        assert window.manual.page == "train"
        window.manual.reject()


@pytest.mark.parametrize("name", NAMES)
def test_links_and_images_of_a_page_exist(name: str) -> None:
    text = (manual_folder() / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    for is_image, target in re.findall(r"(!?)\[[^\]]*\]\(([^)#]+)\)", text):
        if is_image:
            assert (Path(resources.__file__).parent / "screenshots" / Path(target).name).is_file(), target
        elif not target.startswith("https://"):
            assert (manual_folder() / target).is_file(), target


def test_every_page_is_in_the_contents() -> None:
    assert {path.stem for path in manual_folder().glob("*.md")} - {"README"} == set(NAMES)


def test_the_commands_that_the_manual_names_exist() -> None:
    catalogue = (Path(resources.__file__).parent / "translations/de/LC_MESSAGES/visionft.po").read_text("utf-8")
    for path in manual_folder().glob("*.md"):
        for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", path.read_text("utf-8")):
            words = " ".join(name.split())
            assert f'msgid "{words}"' in catalogue, f"{path.name}: {words}"
