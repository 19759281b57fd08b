"""The guided first run on the sample: a line above the task bar that names the next button, in five steps.

The step follows from the project and the page in front, so that nothing is stored, and any other way leads on too.
"""

from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QFrame, QPushButton

from gui.kit import theme
from gui.kit.parts import Button, ElidedLabel, IconButton, IconLabel, row, text
from gui.kit.translation import tr
from gui.page import Page
from visionft.core.messages import Message, Text

STEPS: dict[str, Text] = {  # {page: what it is for}
    "project": Message("These images have their classes already."),
    "train": Message("A network learns the classes from the images."),
    "results": Message("This is how often the model is right, and where it is wrong."),
    "export": Message("The model becomes one file, compared with the trained network."),
    "try": Message("The file sorts new images: drop one here, or choose it."),
}


def step_of(folder: Path, page: str) -> str:
    """Return the page of the next step in a project, with `page` in front."""
    from gui.export.export_page import EXPORTS_FOLDER  # after the start of the window
    from visionft.training.runs.run_folder import list_runs

    if next((folder / EXPORTS_FOLDER).glob("*/model.onnx"), None) is not None:
        return "try"

    if any(not (run.is_going or run.is_unfinished) for run in list_runs(folder)):
        return "export" if page == "export" else "results"
    return "train" if page == "train" else "project"


class Guide(QFrame):
    """One line; `begin` shows it, its button leaves it. `step_wanted` asks for `show_step`, now and every second."""

    page_chosen = Signal(str)
    step_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("guide")
        self._place = text("", "caption")
        self.words = ElidedLabel("")
        self.page_button = Button("", role="quiet", on_click=lambda: self.page_chosen.emit(self._step))
        self.close_button = IconButton("close", "Leave the guide", on_click=self.hide)
        self._step = ""
        self._clock = QTimer(self, interval=1000)
        self._clock.timeout.connect(self.step_wanted)
        parts = (IconLabel("sample", tone="accent"), self._place, self.words, self.page_button, self.close_button)
        line = row(*parts, spacing=theme.MEDIUM, grows=2)
        line.setContentsMargins(theme.LARGE, theme.TIGHT, theme.SMALL, theme.TIGHT)
        self.setLayout(line)
        self.hide()

    def begin(self) -> None:
        self.show()
        self._clock.start()
        self.step_wanted.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        self._clock.stop()
        super().hideEvent(event)

    def show_step(self, folder: Path, page: Page, titles: dict[str, str], *, is_busy: bool) -> None:
        """Show the next step: the primary button of its page, or the way to that page."""
        self._step = step_of(folder, page.name)
        place = tr("Step {place} of {count}", place=[*STEPS].index(self._step) + 1, count=len(STEPS))
        is_here = page.name == self._step
        button = next((each for each in page.findChildren(QPushButton) if _is_next(each)), None)
        parts: list[str] = [tr(STEPS[self._step])]
        if is_busy:
            parts.append(tr("Wait a moment: the bar below shows how far it is."))
        elif is_here and button is not None:
            parts.append(tr("Press “{button}”.", button=button.text()))
        self._place.setText(place)
        self.words.setText(" ".join(parts))
        self.page_button.setText(tr("Go to {page}", page=titles[self._step]))
        self.page_button.setVisible(not is_here and not is_busy)
        self.setAccessibleName(f"{place}: {self.words.text()}")


def _is_next(button: QPushButton) -> bool:
    return button.property("role") == "primary" and button.isVisible() and button.isEnabled()
