"""The live chart: incoming points, smoothing, persistent zoom, notes, values under the pointer, earlier runs."""

import math
import re

import numpy as np
import pytest
from pyqtgraph import PlotDataItem, ScatterPlotItem
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from visible_texts import visible_texts

from gui.kit.metric_plot import MetricPlot, smoothed
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


def plots(chart: MetricChart) -> tuple[MetricPlot, MetricPlot]:
    """Return the plots of the loss and of the accuracy."""
    loss, share = sorted(chart.findChildren(MetricPlot), key=lambda plot: plot.is_share)
    return loss, share


def marks(plot: MetricPlot) -> list[float]:
    """Return the epochs of the marks of notes, which have a number."""
    return [item.value() for item in plot.getPlotItem().items if hasattr(item, "label") and item.isVisible()]


def test_without_a_point_no_axis_pretends_to_have_a_scale(chart):
    loss, share = plots(chart)
    assert len(visible_texts(loss)) == 1
    assert loss.is_empty and not loss.getAxis("left").style["showValues"]
    assert share.getAxis("left").style["showValues"]  # 0 to 100 % is the scale of a share, whatever the values
    add(chart, 1)
    assert not loss.is_empty and not visible_texts(loss) and loss.getAxis("left").style["showValues"]


def test_smoothing_averages_the_past_and_keeps_gaps():
    assert np.array_equal(smoothed([1, 2, 3], 0), [1, 2, 3])
    calm = smoothed([1, math.nan, 1, 5], 0.9)
    assert calm[0] == calm[2] == pytest.approx(1.0) and math.isnan(calm[1])
    assert 1 < calm[3] < 5


def test_many_points_are_drawn_a_few_times_a_second(qtbot, chart, monkeypatch):
    drawn = []
    for plot in plots(chart):
        monkeypatch.setattr(plot, "redraw_steps", lambda plot=plot: drawn.append(plot))
    for step in range(2000):
        chart.add_step(step / 100, 1.0)
    qtbot.wait(REDRAW_INTERVAL_MS + 60)
    assert drawn == [plots(chart)[0]]  # and the accuracy chart, without steps, is left alone
    assert chart.point_counts()["steps"] == 2000


def test_the_chart_survives_nan_and_infinity(chart):
    chart.add_step(0.1, math.nan)
    chart.add_epoch(1, train_loss=math.inf, val_loss=1.0, train_accuracy=0.5, val_accuracy=0.5, is_best=True)
    chart.redraw()
    assert chart.point_counts() == {"steps": 1, "epochs": 1}


def test_the_whole_run_is_in_view_until_the_user_zooms(qtbot, chart):
    loss, _ = plots(chart)
    chart.clear(epochs=20)
    add(chart, 4)
    low, high = loss.view_x()
    assert low < 0 and high > 20
    qtbot.mouseClick(chart.zoom_in_button, LEFT)
    zoomed = loss.view_x()
    assert zoomed[1] - zoomed[0] < high - low
    add(chart, 6)
    assert loss.view_x() == zoomed
    qtbot.mouseClick(chart.fit_button, LEFT)
    assert loss.view_x() == (low, high)
    qtbot.mouseClick(chart.zoom_out_button, LEFT)
    assert loss.view_x()[1] > high


def test_the_pointer_reads_values_and_the_latest_come_back(qtbot, chart):
    add(chart, 4)
    latest = visible_texts(chart)
    assert {"0.500", "0.750"} <= set(latest)  # the training and the validation loss of epoch 4
    loss, _ = plots(chart)
    place = loss.getPlotItem().getViewBox().mapViewToScene(QPointF(2, 1))
    qtbot.mouseMove(loss.viewport(), loss.mapFromScene(place))
    qtbot.waitUntil(lambda: {"1.000", "1.500"} <= set(visible_texts(chart)))
    read = visible_texts(chart)
    assert not {"0.500", "0.750"} & set(read)
    assert any(re.findall(r"\d+", text) == ["2"] for text in read)  # the epoch under the pointer
    chart.redraw()  # new points do not take the value away
    assert visible_texts(chart) == read
    QApplication.sendEvent(chart, QEvent(QEvent.Type.Leave))
    assert visible_texts(chart) == latest


def test_smoothing_changes_the_lines_and_not_the_dots(chart):
    for epoch, loss in enumerate((1.0, 3.0, 1.0, 3.0), 1):
        chart.add_epoch(epoch, train_loss=loss, val_loss=loss, train_accuracy=0.5, val_accuracy=0.5, is_best=False)
    chart.smoothing_slider.setValue(80)
    chart.redraw()
    items = [item for item in plots(chart)[0].getPlotItem().items if item.isVisible()]
    lines = [item.yData for item in items if isinstance(item, PlotDataItem) and item.yData is not None]
    dots = [item.getData()[1].tolist() for item in items if isinstance(item, ScatterPlotItem)]
    (train, val) = (line for line in lines if len(line))
    assert max(train) < 2.9 and max(val) < 2.9
    assert dots.count([1.0, 3.0, 1.0, 3.0]) == 2


def test_what_happened_is_noted_on_the_chart_and_below_it(chart):
    nothing = visible_texts(chart)
    chart.add_note(2.4, "a")
    chart.add_note(3.0, "b")
    assert chart.notes == [(2.4, "a"), (3.0, "b")]
    (below,) = (text for text in visible_texts(chart) if text not in nothing)
    assert "2.4" in below and "a" in below and "b" in below
    assert [marks(plot) for plot in plots(chart)] == [[2.4, 3.0]] * 2
    chart.clear(epochs=5)
    assert chart.notes == [] and visible_texts(chart) == nothing
    assert [marks(plot) for plot in plots(chart)] == [[], []]
