"""Actions on a finished export: reading its card, timing its files, or the reason against it."""

import time

import pytest
from PySide6.QtCore import Qt

from gui.export.card_view import CardDialog
from gui.tasks import Lane, Priority, Task

LEFT = Qt.MouseButton.LeftButton


def test_the_card_of_the_export_is_read(qtbot, window, shown):
    qtbot.mouseClick(shown.parity_card.card_button, LEFT)
    (dialog,) = window.findChildren(CardDialog)
    assert dialog.isVisible() and dialog.view.toPlainText() == "Birds"
    dialog.accept()


def test_an_export_without_a_card_says_so(window, shown, exported):
    (exported / "README.md").unlink()
    shown.mark_stale()
    button = shown.parity_card.card_button
    reason = window.state.actions.why_not("export.card")
    assert not button.isEnabled() and reason and reason in button.toolTip()


def test_without_an_export_there_is_nothing_to_do_with_it(window, shown):
    shown.target_card.name_edit.setText("another")
    for name in ("export.folder", "export.card", "export.check", "export.speed", "export.publish"):
        assert window.state.actions.why_not(name)


@pytest.mark.slow
def test_each_file_is_timed_on_this_computer(qtbot, window, shown, finish):
    assert shown.speed_card.isHidden()
    qtbot.mouseClick(shown.parity_card.speed_button, LEFT)
    assert shown.speed_card.isVisible() and not shown.speed_card.measure_button.isEnabled()
    assert window.state.actions.why_not("export.speed")
    finish()
    rows = shown.speed_card.table.texts()
    assert [row[:2] for row in rows] == [["model.onnx", "CPU"], ["model_int8.onnx", "CPU"]]
    for row in rows:
        times = [float(cell.removesuffix(" ms")) for cell in row[2:5] if cell != "–"]  # with too few runs to measure
        assert times and times == sorted(times) and int(row[5]) >= 10
    card = shown.speed_card  # another size is measured anew, and remembered with its export
    assert "512\u00a0x\u00a0512" in card.basis.text() and card.measure_button.isEnabled()
    card.side_box.setCurrentIndex(card.side_box.findData(1024))
    qtbot.mouseClick(card.measure_button, LEFT)
    finish()
    assert "1024\u00a0x\u00a01024" in card.basis.text()
    shown.target_card.name_edit.setText("another")
    assert card.isHidden()
    shown.target_card.name_edit.setText("001-resnet18-lora")
    assert card.isVisible() and "1024\u00a0x\u00a01024" in card.basis.text()


def test_a_measurement_that_was_stopped_shows_no_figures(qtbot, window, shown, finish):
    qtbot.mouseClick(shown.parity_card.speed_button, LEFT)
    (handle,) = window.state.tasks.pending
    assert handle.priority is Priority.MEASUREMENT and handle.lane is Lane.COMPUTE
    handle.stop()
    finish()
    assert shown.speed_card.table.texts() == [] and shown.speed_card.isVisible()


def test_a_measurement_that_was_stopped_while_it_waited_can_be_asked_for_again(qtbot, window, shown, finish):
    busy = Task(title="busy", work=_until_stopped, lane=Lane.COMPUTE, page="export")
    first = window.state.tasks.run(busy, owner=shown, on_done=lambda _result: None)
    qtbot.mouseClick(shown.parity_card.speed_button, LEFT)
    window.state.tasks.waiting[0].stop()
    first.stop()
    finish()
    assert shown.speed_card.isHidden() and window.state.actions.why_not("export.speed") == ""


def _until_stopped(*, job) -> None:
    while not job.is_cancelled:
        time.sleep(0.01)


def test_where_big_images_cost_more_than_the_answer_that_is_said(shown, exported):
    label = shown.parity_card.details
    without = label.text()
    assert "46" in without and "model_float.onnx" in without
    (exported / "model_float.onnx").write_bytes(b"x")
    shown.mark_stale()
    assert "46" in label.text() and "model_float.onnx" in label.text() != without
