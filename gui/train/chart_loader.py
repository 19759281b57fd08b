"""Loading the charts of a run step by step, before they are shown."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from PySide6.QtCore import QObject, QTimer

_FIRST_MS, _PAUSE_MS = 1500, 100


class ChartLoader(QObject):
    """Loads pyqtgraph and the chart module, then builds the chart, before the user opens it.

    pyqtgraph copies every name of Qt, and PySide creates a type on its first access; so these types are accessed
    beforehand, module by module. All at once took 560 ms.
    """

    def __init__(self, module: str, build: Callable[[], object], parent: QObject) -> None:
        """Args: `module` is imported after pyqtgraph; `build` is called last."""
        super().__init__(parent)

        def make_types(name: str) -> None:
            qt = import_module(name)
            for each in dir(qt):
                getattr(qt, each)

        types = [partial(make_types, f"PySide6.{name}") for name in ("QtCore", "QtGui", "QtWidgets")]
        self._steps = iter([*types, *(partial(import_module, name) for name in ("pyqtgraph", module)), build])
        self._timer = QTimer(self, singleShot=True, interval=_FIRST_MS)
        self._timer.timeout.connect(self._take_step)
        self._timer.start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._timer.stop()

    def _take_step(self) -> None:
        if (step := next(self._steps, None)) is not None:
            step()
            self._timer.start(_PAUSE_MS)
