"""The charts of a run: incoming points, zoom that stays, notes, values under the pointer, what each stage was worth."""

import math
import re

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtWidgets import QApplication
from run_events import epoch_done
from visible_texts import visible_texts

from gui.kit.charts import Plot
from gui.train.live_charts import AccuracyChart, LiveChart, stage_lines
from visionft.training.runs.metrics_file import AccuracyPoint

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def chart(qtbot) -> LiveChart:
    chart = LiveChart()
    qtbot.addWidget(chart)
    chart.resize(700, 500)
    chart.show()
    return chart


def add(chart: LiveChart, epochs: int, *, best: int = 1) -> None:
    for epoch in range(1, epochs + 1):
        figures = {"train_loss": 2 / epoch, "val_loss": 3 / epoch, "train_accuracy": 0.5, "val_accuracy": 0.1 * epoch}
        chart.add_epoch(epoch_done(epoch=epoch, **figures, is_best=epoch <= best))
    chart.redraw()


def loss_of(chart: LiveChart) -> Plot:
    (loss,) = (plot for plot in chart.findChildren(Plot) if plot.accessibleName() == "Loss chart")
    return loss


def view_x(plot: Plot) -> tuple[float, float]:
    low, high = plot.item.getViewBox().viewRange()[0]
    return low, high


def test_the_chart_survives_nan_and_infinity(chart):
    chart.add_step(0.1, math.nan)
    chart.add_epoch(epoch_done(train_loss=math.inf))
    chart.redraw()
    assert not chart.grab().isNull() and (len(chart.steps), len(chart.epochs)) == (1, 1)


def test_the_whole_run_is_in_view_until_the_user_zooms(qtbot, chart):
    loss = loss_of(chart)
    chart.clear(epochs=20)
    add(chart, 4)
    low, high = view_x(loss)
    assert low < 0 and high > 20
    view = loss.item.getViewBox()
    view.scaleBy((0.6, 1))
    view.sigRangeChangedManually.emit([True, False])  # as the wheel does
    zoomed = view_x(loss)
    assert zoomed[1] - zoomed[0] < high - low
    add(chart, 6)
    assert view_x(loss) == zoomed
    qtbot.mouseClick(chart.fit_button, LEFT)
    assert view_x(loss) == (low, high)


def test_the_pointer_reads_values_and_the_latest_come_back(qtbot, chart):
    add(chart, 4)
    latest = visible_texts(chart)
    assert {"0.500", "0.750"} <= set(latest)  # the training and the validation loss of epoch 4
    loss = loss_of(chart)
    place = loss.item.getViewBox().mapViewToScene(QPointF(2, 1))
    qtbot.mouseMove(loss.viewport(), loss.mapFromScene(place))
    qtbot.waitUntil(lambda: {"1.000", "1.500"} <= set(visible_texts(chart)))
    read = visible_texts(chart)
    assert not {"0.500", "0.750"} & set(read)
    assert any(re.findall(r"\d+", text) == ["2"] for text in read)  # the epoch under the pointer
    chart.redraw()  # new points do not take the value away
    assert visible_texts(chart) == read
    QApplication.sendEvent(chart, QEvent(QEvent.Type.Leave))
    assert visible_texts(chart) == latest


def test_what_happened_is_noted_below_the_chart(chart):
    nothing = visible_texts(chart)
    chart.add_note(2.4, "a")
    chart.add_note(3.0, "b")
    (below,) = (text for text in visible_texts(chart) if text not in nothing)
    assert "2.4" in below and "a" in below and "b" in below
    chart.clear(epochs=5)
    assert chart.notes == [] and visible_texts(chart) == nothing


def point(at_s: float, accuracy: float, epoch: int = 0, *, is_kept: bool = True) -> AccuracyPoint:
    return AccuracyPoint(at_s=at_s, accuracy=accuracy, epoch=epoch, is_kept=is_kept)


POINTS = (
    point(18, 0.757),
    point(74, 0.8),
    point(80, 0.8, is_kept=False),  # where training starts: nothing new
    point(120, 0.72, 1, is_kept=False),
    point(230, 0.84, 3),
    point(300, 0.81, 4, is_kept=False),
)


def test_each_stage_says_what_it_was_worth():
    lines = stage_lines(POINTS)
    assert [line[0] for line in lines] == ["18 s", "1 min 14 s", "3 min 50 s"]
    assert [line[2] for line in lines] == ["75.7%", "80.0%", "84.0%"]
    assert lines[0][3] == "" and "+4.3" in lines[1][3] and "+4.0" in lines[2][3]
    assert stage_lines(()) == []


@pytest.mark.parametrize("count", range(len(POINTS) + 1))
def test_the_chart_grows_point_by_point(qtbot, count):
    chart = AccuracyChart()
    qtbot.addWidget(chart)
    for some in range(count + 1):
        chart.show_points(POINTS[:some])
    chart.resize(900, 260)
    chart.show()
    assert not chart.grab().isNull() and chart.points == list(POINTS[:count])
