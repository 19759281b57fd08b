"""The accuracy of a run over time: points, the best so far, and what each stage was worth."""

import pytest

from gui.train.accuracy_chart import AccuracyChart, stage_lines
from visionft.training.runs.metrics_file import AccuracyPoint


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
    for each in POINTS[:count]:
        chart.add(each)
    chart.resize(900, 260)
    chart.show()
    assert not chart.grab().isNull() and chart.points == list(POINTS[:count])
