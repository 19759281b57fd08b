"""Try: images, the clipboard, a folder into a table, with a tiny exported file."""

import csv
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.kit import dialogs

LEFT = Qt.MouseButton.LeftButton


def test_the_file_answers_with_bars_latency_provider_and_calibration(page, classify, images):
    classify(images)
    assert page.grid.count() == 25
    assert all(answer.class_name == answer.path.parent.name for answer in page.predictions)
    (best, share), *others = page.panel.card.bars.bars
    assert best == page.predictions[0].class_name and share > 0.5
    assert sum(share for _, share in others) + share == pytest.approx(1, abs=1e-4)
    assert all(words in page.panel.card.facts.text() for words in ("CPU", " ms "))
    assert "1.25" not in page.panel.card.facts.text()  # the temperature is among the details of Results and Export
    assert page.panel.tally.text().endswith("red 10, green 8, blue 7")
    page.panel.order_box.setCurrentIndex(1)
    page.panel.order_box.activated.emit(1)
    shares = [page.predictions[page.grid.selection.id_at(place) - 1].probability for place in range(25)]
    assert shares == sorted(shares)


def test_an_image_that_cannot_be_read_says_why(page, classify, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    classify(tmp_path / "broken.png")
    assert page.predictions[0].error in page.panel.card.name.text() and page.panel.card.bars.bars == ()


def test_the_answers_can_be_saved_as_csv(qtbot, page, classify, images, tmp_path, monkeypatch, window):
    classify(images / "red")
    monkeypatch.setattr(dialogs, "ask_save_file", lambda *args, **kwargs: tmp_path / "answers.csv")
    qtbot.mouseClick(page.panel.csv_button, LEFT)
    assert [line["class"] for line in read_csv(tmp_path / "answers.csv")] == ["red"] * 10
    assert window.toasts.newest.tone == "good"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_a_model_that_cannot_be_read_is_an_error_with_a_hint(page, classify, window, tmp_path, images):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    page.take_model(tmp_path / "model.onnx")
    classify(images)
    assert str(tmp_path / "model.onnx") in window.toasts.message() and window.toasts.newest.hint()


def test_without_an_export_the_page_leads_to_export(qtbot, window, open_page):
    page = open_page("try")
    assert page.empty.isVisible()
    for button in (page.files_button, page.folder_button, page.paste_button):
        assert not button.isEnabled() and page.why_no_model() in button.toolTip()
    qtbot.mouseClick(page.empty.button, LEFT)
    assert window.current_page.name == "export"
