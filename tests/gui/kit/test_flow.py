"""A flow layout wraps into the next line at its full width; hidden items take no room."""

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QWidget

from gui.kit.flow import Flow


def box(width: int, height: int) -> QWidget:
    widget = QWidget()
    widget.setMinimumSize(width, height)
    widget.sizeHint = lambda: QSize(width, height)  # type: ignore[method-assign]
    return widget


def test_it_takes_as_many_lines_as_the_width_asks_for(qtbot):
    boxes = [box(100, 20), box(100, 30), box(100, 20)]
    whole = QWidget()
    qtbot.addWidget(whole)
    flow = Flow(*boxes, spacing=10)
    whole.setLayout(flow)
    assert flow.sizeHint() == QSize(320, 30) and flow.minimumSize() == QSize(100, 30)
    assert flow.heightForWidth(320) == 30 and flow.heightForWidth(319) == 60 and flow.heightForWidth(90) == 90
    whole.resize(215, 60)
    whole.show()
    assert [(each.x(), each.y()) for each in boxes] == [(0, 5), (110, 0), (0, 40)]
    boxes[1].hide()
    assert flow.heightForWidth(215) == 20 and flow.sizeHint() == QSize(210, 20)
