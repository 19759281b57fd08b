"""The chart libraries are loaded in steps, each in its own turn of the event loop, until cancelled."""

import sys

from PySide6.QtCore import QObject

from gui.kit import chart_loading
from gui.kit.chart_loading import ChartLoader


def test_the_chart_is_built_last_and_in_a_turn_of_its_own(qtbot):
    parent, built, turns = QObject(), [], []
    loader = ChartLoader("gui.train.run_monitor", lambda: built.append("pyqtgraph" in sys.modules), parent)
    qtbot.waitUntil(lambda: turns.append(bool(built)) or bool(built), timeout=20_000)
    assert built == [True] and turns.count(False) > 3 and "gui.train.run_monitor" in sys.modules
    loader.stop()


def test_no_step_is_taken_after_it_was_stopped(qtbot, monkeypatch):
    monkeypatch.setattr(chart_loading, "_FIRST_MS", 0)
    parent, built = QObject(), []
    loader = ChartLoader("gui.train.run_monitor", lambda: built.append(True), parent)
    loader.stop()
    qtbot.wait(50)
    assert not built and not loader._timer.isActive()
