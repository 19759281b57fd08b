"""The model card in the window: plain reading; links and images are inert, whoever wrote it."""

import pytest
from PIL import Image
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor, QTextDocument, QTextTable

from gui.export.card_view import MOST_CHARACTERS, CardView, is_within_limits, readable
from visionft.export.bundle.card.markdown import escaped, table

HEADER = '---\nlicense: apache-2.0\ntags:\n- "onnx"\n---\n\n'
NAME = '<img src="trap.png"> [a](https://evil.example) ![b](file:///etc/passwd) www.evil.example **x** &lt;'


@pytest.fixture
def view(qtbot):
    view = CardView()
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    return view


def formats(document: QTextDocument):
    """Yield the format of each piece of text."""
    block = document.begin()
    while block.isValid():
        place = block.begin()
        while not place.atEnd():
            yield place.fragment().charFormat()
            place += 1
        block = block.next()


def test_it_reads_headings_tables_and_code_and_leaves_the_header_out(view):
    view.show_card(
        f"{HEADER}# A title\n\nSome *words*.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n```python\nx = 1\n```\n"
    )
    document = view.document()
    words = document.toPlainText()
    assert words.startswith("A title") and "license" not in words and "#" not in words and "x = 1" in words
    assert document.begin().blockFormat().headingLevel() == 1
    tables = [each for each in document.rootFrame().childFrames() if isinstance(each, QTextTable)]
    assert [(each.rows(), each.columns()) for each in tables] == [(2, 2)]
    sizes = [each.font().pixelSize() for each in formats(document)]
    assert sizes[0] == max(sizes) > sizes[1]


def test_a_name_is_shown_letter_by_letter(view):
    view.show_card(f"# {escaped(NAME)}\n\n{table(['class'], [[escaped(NAME)]])}\n")
    words = view.document().toPlainText()
    assert words.count(NAME) == 2
    assert not any(each.isAnchor() or each.isImageFormat() for each in formats(view.document()))


@pytest.mark.parametrize(
    "card",
    [
        '<img src="{trap}">',
        "![an image]({trap})",
        "![a][x]\n\n[x]: {trap}",
        '<link rel="stylesheet" href="{trap}"><h1>big</h1><script>1</script>',
        "[a link](https://evil.example) and https://evil.example and <https://evil.example> and www.evil.example",
        "[a link][x]\n\n[x]: https://evil.example",
    ],
)
def test_what_anybody_wrote_is_neither_loaded_nor_followed(view, tmp_path, card):
    trap = tmp_path / "trap.png"
    Image.new("RGB", (80, 60), (255, 0, 0)).save(trap)
    view.show_card(card.format(trap=trap))
    image = view.grab().toImage()
    red = QColor(255, 0, 0).rgb()
    assert not any(image.pixel(x, y) == red for x in range(0, 600, 7) for y in range(0, 400, 7))
    assert not any(each.isAnchor() or each.isImageFormat() for each in formats(view.document()))
    assert not any(view.anchorAt(QPoint(x, y)) for x in range(0, 600, 7) for y in range(0, 60, 7))


@pytest.mark.parametrize(
    "card",
    [
        "- " * MOST_CHARACTERS,
        "> - " * 20_000,
        "- a\n" * 4_000,
        "- a\r" * 4_000,
        "|a" * 1_000 + "\n" + "|-" * 1_000 + "\n|\n",
        "|a|b|c|d\n|-|-|-|-\n" + "|\n" * 1_000,
        "|a|b\n|-|-\n|\n\n" * 300,
        "> |a|b\n> |-|-\n> |\n>\n" * 300,
    ],
)
def test_a_card_that_qt_would_lay_out_slowly_is_shown_as_plain_text(view, card):
    assert not is_within_limits(readable(card))
    view.show_card("# " + card)
    assert view.toPlainText().startswith("# ")


@pytest.mark.parametrize("card", ["- " * 2_000 + "a", "- |\n  |-\n\n" * 100, "![" * 10_000, "a@b.c " * 5_000])
def test_hostile_markdown_within_the_limits_has_no_links_and_raises_nothing(view, card):
    assert is_within_limits(readable(card))
    view.show_card(card)
    assert not any(each.isAnchor() or each.isImageFormat() for each in formats(view.document()))
