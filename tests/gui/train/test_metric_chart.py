"""The live chart: incoming points, smoothing, persistent zoom, notes, values under the pointer, earlier runs."""

import math
import re

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from visible_texts import visible_texts

from gui.kit.metric_plot import MetricPlot
from gui.train.metric_chart import MetricChart

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
