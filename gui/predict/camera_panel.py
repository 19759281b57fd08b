"""The camera's picture beside what the exported file says of it. Knows Qt and the engine's plain data."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.i18n import tr
from gui.kit.parts import Button, choice_box, column, row, text
from gui.predict.answer_card import AnswerCard, several, speed
from gui.predict.live_view import LiveView

CAMERAS = 4


class CameraPanel(QWidget):
    """Live picture and bars; a failure stays in sight with its hint until it is closed."""

    closed = Signal()
    camera_changed = Signal(int)  # number of the camera, from 0
    picture_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.view = LiveView()
        self.card = AnswerCard(keeps_room=True)
        self.failure = Banner()
        self.failure.dismissed.connect(self.closed)
        cameras = (tr("Camera {number}", number=number + 1) for number in range(CAMERAS))
        self.camera_box = choice_box("Which camera", cameras)
        self.camera_box.setToolTip(tr("Which camera; the first one is usually the built-in one"))
        self.camera_box.activated.connect(self.camera_changed)
        self.take_button = Button("Take picture", "camera", role="primary", on_click=self.picture_wanted.emit)
        self._taken = text("", "small", wrap=True)
        side = QWidget()
        side.setMinimumWidth(theme.scaled(300))
        side.setMaximumWidth(theme.scaled(460))
        buttons = row(self.camera_box, None, self.take_button)
        side.setLayout(column(buttons, self.card, self._taken, None, spacing=theme.LARGE))
        both = QHBoxLayout()
        both.setSpacing(theme.LARGE)
        both.addWidget(self.view, 1)
        both.addWidget(side)
        layout = column(self.failure, both)
        layout.setStretch(1, 1)
        self.setLayout(layout)

    def chosen_camera(self) -> int:
        """Return the number of the chosen camera, from 0."""
        return self.camera_box.currentIndex()

    def show_starting(self) -> None:
        """Show that the camera is being switched on."""
        self.failure.hide()
        self.show_taken(0)
        self.card.show_answer(None, "", ())
        self.view.show_words(tr("The camera is starting"))

    @Slot(object)
    def show_frame(self, frame) -> None:
        """Show a picture and its answer: a `gui.predict.predicting.Frame`."""
        self.view.show_image(frame.image)
        rate = tr("{count} pictures a second.", count=f"{frame.frames_per_s:.0f}")
        title = ", ".join(frame.answer.classes) if frame.answer.classes else frame.answer.class_name
        self.card.show_answer(frame.answer, title, (speed(frame.answer, frame.provider), rate, *several(frame.answer)))

    def show_taken(self, count: int) -> None:
        """Show how many pictures were taken."""
        if count:
            self._taken.setText(
                tr("Pictures taken: {count}. They are there when the camera stops.", count=f"{count:,}")
            )
        else:
            words = "Pictures of the camera are classified and forgotten, but for those that you take."
            self._taken.setText(tr(words))

    def show_stopped(self) -> None:
        """Show that the camera is being switched off."""
        self.failure.hide()

    def show_failure(self, message: str, hint: str) -> None:
        """Show why there is no picture."""
        self.view.show_words(tr("No picture"))
        self.card.show_answer(None, "", ())
        self.failure.show_message(message, hint, tone="bad")

    def has_failed(self) -> bool:
        """Return whether a failure is in sight."""
        return not self.failure.isHidden()
