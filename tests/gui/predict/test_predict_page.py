"""Try: images, the clipboard, a folder into a table and a camera, with a tiny exported file."""

import csv
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage

from gui.kit import dialogs
from gui.predict import predicting
from gui.predict.model_choice import exported_models
from visionft.data.camera import camera_images
from visionft.errors import ImageError

LEFT = Qt.MouseButton.LeftButton


def test_the_exports_of_the_project_are_offered(page, project_dir):
    assert exported_models(project_dir) == [page.model()]
    assert page.drop_zone.isVisible() and page.drop_zone.choose_button.isVisibleTo(page)
    assert not page.drop_zone.file_button.isVisibleTo(page)  # a list of images is imported, not tried


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


def test_several_labels_are_those_that_reach_their_threshold(page, classify, tmp_path, images, write_model):
    page.take_model(write_model(tmp_path / "several" / "model.onnx", thresholds=[0.001, 0.001, 0.001]))
    classify(images / "red" / "red_000.png")
    assert "red, " in page.panel.card.facts.text()


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


def test_a_pasted_image_that_cannot_be_written_is_said_and_nothing_breaks(page, window, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("no folder")
    monkeypatch.setattr(predicting.platformdirs, "user_cache_path", lambda *_, **__: tmp_path / "taken")
    QGuiApplication.clipboard().setImage(QImage(20, 20, QImage.Format.Format_RGB32))
    page.paste()
    assert window.toasts.message() and not window.state.tasks.pending


def test_pasting_words_says_what_to_do(page, window):
    QGuiApplication.clipboard().setText("no image")
    page.paste()
    assert window.toasts.newest.tone == "warn" and not window.state.tasks.pending


def test_a_model_that_cannot_be_read_is_an_error_with_a_hint(page, classify, window, tmp_path, images):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    page.take_model(tmp_path / "model.onnx")
    classify(images)
    assert str(tmp_path / "model.onnx") in window.toasts.message() and window.toasts.newest.hint()


def test_without_an_export_the_page_leads_to_export(qtbot, window, open_page):
    page = open_page("try")
    assert page.empty.isVisible()
    for button in (page.files_button, page.folder_button, page.camera_button, page.paste_button):
        assert not button.isEnabled() and page.why_no_model() in button.toolTip()
    qtbot.mouseClick(page.empty.button, LEFT)
    assert window.current_page.name == "export"


def test_the_camera_is_classified_as_it_runs_and_stops_at_once(qtbot, page, tmp_path, write_video):
    page.start_camera(write_video(tmp_path / "green.avi", frames=200))
    qtbot.waitUntil(lambda: not page.camera.view.image.isNull(), timeout=20_000)
    assert page.camera.isVisible()
    assert page.camera.card.bars.bars[0][0] == "green"
    assert page.camera.view.image.pixelColor(10, 10).green() > 150
    assert "CPU" in page.camera.card.facts.text()
    qtbot.mouseClick(page.camera_button, LEFT)
    qtbot.waitUntil(lambda: not page.feed.is_running)
    assert page.drop_zone.isVisible()


@pytest.mark.slow
@pytest.mark.parametrize("frames", [3, 0])
def test_an_unplugged_or_absent_camera_says_so_and_what_to_do(qtbot, page, tmp_path, write_video, frames):
    page.start_camera(write_video(tmp_path / "short.avi", frames=frames) if frames else tmp_path / "no such camera")
    qtbot.waitUntil(lambda: not page.feed.is_running, timeout=20_000)
    assert page.camera.failure.message() and page.camera.failure.hint() and page.camera.isVisible()
    qtbot.mouseClick(page.camera.failure.close_button, LEFT)
    assert page.drop_zone.isVisible() and page.camera_button.isEnabled()


def test_the_camera_is_off_while_another_page_is_shown_and_after_closing(qtbot, page, window, tmp_path, write_video):
    page.start_camera(write_video(tmp_path / "green.avi", frames=200))
    window.show_page("label")
    qtbot.waitUntil(lambda: not page.feed.is_running, timeout=20_000)
    window.show_page("try")
    page.start_camera(tmp_path / "green.avi")
    window.close()
    assert not page.feed.is_running


def test_images_of_a_camera_are_rgb_and_its_end_is_an_error(tmp_path, write_video):
    images = camera_images(write_video(tmp_path / "red.avi", frames=2, colour=(220, 0, 0)))
    first = next(images)
    assert first.shape == (48, 64, 3) and first[..., 0].mean() > 180 > 60 > first[..., 2].mean()
    with pytest.raises(ImageError):
        list(images)
