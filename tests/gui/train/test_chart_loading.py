"""The chart libraries are loaded in steps, each in its own turn of the event loop, until cancelled."""

import sys

import pytest
from PySide6.QtCore import QObject

from gui.train.train_page import ChartLoader


@pytest.mark.slow
@pytest.mark.parametrize("stops", [False, True])
def test_the_chart_is_built_last_and_in_a_turn_of_its_own(qtbot, stops):
    parent, built, turns = QObject(), [], []
    loader = ChartLoader(lambda: built.append("pyqtgraph" in sys.modules), parent)
    if stops:
        loader.stop()
        qtbot.wait(2000)
        assert not built
    else:
        qtbot.waitUntil(lambda: turns.append(bool(built)) or bool(built), timeout=20_000)
        assert built == [True] and turns.count(False) > 3 and "gui.train.run_monitor" in sys.modules
