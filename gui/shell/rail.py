"""The navigation rail on the left: the program's icon, the open project, one button per page."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame

from gui.kit import theme
from gui.kit.icons import pixmap
from gui.kit.parts import Button, ElidedLabel, column, row, text
from gui.kit.translation import tr


class Rail(QFrame):
    """The pages to choose from; `page_chosen` carries the page's name."""

    page_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.setFixedWidth(theme.scaled(188))
        mark = text()
        mark.setPixmap(pixmap("visionft", "#000000", size=30))
        self._project = ElidedLabel(tr("No project open"), "small")
        head = row(mark, column(text("VisionFT", "heading"), self._project, spacing=0), grows=1)
        self._buttons: dict[str, Button] = {}
        self._group = QButtonGroup(self)
        self._top, self._bottom = column(spacing=theme.HAIR), column(spacing=theme.HAIR)
        layout = column(head, theme.LARGE, self._top, None, self._bottom)
        layout.setContentsMargins(theme.MEDIUM, theme.LARGE, theme.MEDIUM, theme.MEDIUM)
        self.setLayout(layout)

    def add_page(self, name: str, title: str, icon_name: str, *, at_bottom: bool = False) -> None:
        button = Button("", icon_name, role="rail", on_click=lambda: self.page_chosen.emit(name))
        button.setText(tr(title))
        button.setAccessibleName(tr(title))
        self._group.addButton(button)
        self._buttons[name] = button
        (self._bottom if at_bottom else self._top).addWidget(button)

    def show_page(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def show_project(self, name: str) -> None:
        self._project.setText(name or tr("No project open"))

    def button(self, name: str) -> Button:
        return self._buttons[name]
