"""The live chart: incoming points, smoothing, persistent zoom, notes, values under the pointer, earlier runs."""

import math

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QLabel

from gui.kit.metric_plot import smoothed
from gui.train.metric_chart import REDRAW_INTERVAL_MS, MetricChart

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def chart(qtbot) -> MetricChart:
    chart = MetricChart()
    qtbot.addWidget(chart)
    chart.resize(700, 500)
    chart.show()
    return chart


def add(chart: MetricChart, epochs: int, *, best: int = 1) -> None:
    for epoch in range(1, epochs + 1):
        figures = {"train_loss": 2 / epoch, "val_loss": 3 / epoch, "train_accuracy": 0.5, "val_accuracy": 0.1 * epoch}
        chart.add_epoch(epoch, **figures, is_best=epoch <= best)
    chart.redraw()


def legend(chart: MetricChart, name: str) -> str:
    return chart._legends[chart._loss]._values[name].text()


def test_without_a_point_no_axis_pretends_to_have_a_scale(chart):
    loss, share = chart._plots
    (said,) = (label for label in loss.findChildren(QLabel) if label.isVisible())
    assert loss.is_empty and not loss.getAxis("left").style["showValues"]
    assert share.getAxis("left").style["showValues"]  # 0 to 100 % is the scale of a share, whatever the values
    add(chart, 1)
    assert not loss.is_empty and not said.isVisible() and loss.getAxis("left").style["showValues"]


def test_smoothing_averages_the_past_and_keeps_gaps():
    assert np.array_equal(smoothed([1, 2, 3], 0), [1, 2, 3])
    calm = smoothed([1, math.nan, 1, 5], 0.9)
    assert calm[0] == calm[2] == pytest.approx(1.0) and math.isnan(calm[1])
    assert 1 < calm[3] < 5


def test_many_points_are_drawn_a_few_times_a_second(qtbot, chart, monkeypatch):
    drawn = []
    for plot in (chart._loss, chart._share):
        monkeypatch.setattr(plot, "redraw_steps", lambda plot=plot: drawn.append(plot))
    for step in range(2000):
        chart.add_step(step / 100, 1.0)
    qtbot.wait(REDRAW_INTERVAL_MS + 60)
    assert drawn in ([chart._loss], [chart._loss] * 2)  # and the accuracy chart, without steps, is left alone
    assert chart.point_counts()["steps"] == 2000


def test_the_chart_survives_nan_and_infinity(chart):
    chart.add_step(0.1, math.nan)
    chart.add_epoch(1, train_loss=math.inf, val_loss=1.0, train_accuracy=0.5, val_accuracy=0.5, is_best=True)
    chart.redraw()
    assert chart.point_counts() == {"steps": 1, "epochs": 1}


def test_the_whole_run_is_in_view_until_the_user_zooms(qtbot, chart):
    chart.clear(epochs=20)
    add(chart, 4)
    low, high = chart._loss.view_x()
    assert low < 0 and high > 20
    qtbot.mouseClick(chart.zoom_in_button, LEFT)
    zoomed = chart._loss.view_x()
    assert zoomed[1] - zoomed[0] < high - low
    add(chart, 6)
    assert chart._loss.view_x() == zoomed
    qtbot.mouseClick(chart.fit_button, LEFT)
    assert chart._loss.view_x() == (low, high)
    qtbot.mouseClick(chart.zoom_out_button, LEFT)
    assert chart._loss.view_x()[1] > high


def test_the_pointer_reads_values_and_the_latest_come_back(chart):
    add(chart, 4)
    assert legend(chart, "train") == "0.500" and legend(chart, "val") == "0.750"
    place = chart._loss.getPlotItem().getViewBox().mapViewToScene(QPointF(2, 1))
    chart._loss.scene().sigMouseMoved.emit(place)
    assert legend(chart, "train") == "1.000"
    chart.redraw()  # new points do not take the value away
    assert legend(chart, "train") == "1.000" and "epoch 2" in chart._legends[chart._loss].note.text()
    chart.leaveEvent(QEvent(QEvent.Type.Leave))
    assert legend(chart, "train") == "0.500"


def test_smoothing_changes_the_lines_and_not_the_dots(chart):
    for epoch, loss in enumerate((1.0, 3.0, 1.0, 3.0), 1):
        chart.add_epoch(epoch, train_loss=loss, val_loss=loss, train_accuracy=0.5, val_accuracy=0.5, is_best=False)
    chart.smoothing_slider.setValue(80)
    chart.redraw()
    line = chart._loss._lines["train"].getData()[1]
    dots = chart._loss._dots["train"].getData()[1]
    assert max(line) < 2.9 and list(dots) == [1.0, 3.0, 1.0, 3.0]


def test_what_happened_is_noted_on_the_chart_and_below_it(chart):
    chart.add_note(2.4, "a")
    chart.add_note(3.0, "b")
    assert chart.notes == [(2.4, "a"), (3.0, "b")]
    assert "2.4" in chart._note_label.text() and chart._note_label.isVisible()
    assert len(chart._loss._notes) == 2
    chart.clear(epochs=5)
    assert chart.notes == [] and not chart._note_label.isVisible() and chart._loss._notes == []
