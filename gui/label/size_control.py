"""The slider that sets how large pictures are shown. Knows Qt only."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSlider, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import IconLabel, row

SIDES_PX = (64, 320)


class SizeControl(QWidget):
    """An icon and the slider; in logical pixels."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(*SIDES_PX)
        self.slider.setValue(pixels)
        self.slider.setFixedWidth(theme.scaled(96))
        self.slider.setAccessibleName(tr("Size of the pictures"))
        self.slider.setToolTip(tr("Size of the pictures"))
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setLayout(row(IconLabel("grid", size=15, tone="muted"), self.slider))
