"""The navigation rail on the left: the program's icon, the open project, one button per page; icons only if folded."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QButtonGroup, QFrame

from gui.kit import theme
from gui.kit.icons import pixmap
from gui.kit.parts import Button, ElidedLabel, column, row, text, widget_of
from gui.kit.translation import tr

WIDTH_PX, FOLDED_PX = 188, 66


class Rail(QFrame):
    """The pages to choose from; `page_chosen` carries the page's name."""

    page_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        mark = text()
        mark.setPixmap(pixmap("visionft", "#000000", size=30))
        self._project = ElidedLabel(tr("No project open"), "small")
        self._names = widget_of(column(text("VisionFT", "heading"), self._project, spacing=0))
        head = row(mark, self._names, grows=1)
        self._buttons: dict[str, Button] = {}
        self._titles: dict[str, str] = {}
        self._group = QButtonGroup(self)
        self._top, self._bottom = column(spacing=theme.HAIR), column(spacing=theme.HAIR)
        layout = column(head, theme.LARGE, self._top, None, self._bottom)
        layout.setContentsMargins(theme.MEDIUM, theme.LARGE, theme.MEDIUM, theme.MEDIUM)
        self.setLayout(layout)
        self.fold(False)

    def fold(self, is_folded: bool) -> None:
        """Show icons alone, or icons with names; folded, names are tooltips."""
        self._names.setHidden(is_folded)
        for name, button in self._buttons.items():
            button.setText("" if is_folded else self._titles[name])
        self.setFixedWidth(theme.scaled(FOLDED_PX if is_folded else WIDTH_PX))

    def add_page(self, name: str, title: str, icon_name: str, *, at_bottom: bool = False) -> None:
        button = Button("", icon_name, role="rail", on_click=lambda: self.page_chosen.emit(name))
        button.setText(tr(title))
        button.setAccessibleName(tr(title))
        self._group.addButton(button)
        self._buttons[name] = button
        self._titles[name] = tr(title)
        (self._bottom if at_bottom else self._top).addWidget(button)

    def show_page(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def show_project(self, name: str) -> None:
        self._project.setText(name or tr("No project open"))

    def button(self, name: str) -> Button:
        return self._buttons[name]
