"""The camera image beside the model's prediction. Depends on Qt and plain engine data."""

from PySide6.QtCore import QRectF, Qt, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.parts import Button, choice_box, column, row, text
from gui.kit.translation import tr
from gui.predict.prediction_card import PredictionCard, several, speed


class CameraPanel(QWidget):
    """Live image and bars; an error stays visible with its hint until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.view = LiveView()
        self.card = PredictionCard(keeps_room=True)
        self.failure = Banner()
        cameras = (tr("Camera {number}", number=number + 1) for number in range(4))
        self.camera_box = choice_box("Which camera", cameras)
        self.camera_box.setToolTip(tr("Which camera; the first one is usually the built-in one"))
        self.take_button = Button("Take image", "camera", role="primary")
        self._taken = text("", "small", wrap=True)
        side = QWidget()
        side.setMinimumWidth(theme.scaled(300))
        side.setMaximumWidth(theme.scaled(460))
        buttons = row(self.camera_box, None, self.take_button)
        side.setLayout(column(buttons, self.card, self._taken, None, spacing=theme.LARGE))
        both = row(self.view, side, spacing=theme.LARGE, grows=0)
        self.setLayout(column(self.failure, both, grows=1))

    def show_starting(self) -> None:
        self.failure.hide()
        self.show_taken(0)
        self.card.show_prediction(None, "", ())
        self.view.show_image(QImage(), tr("The camera is starting"))

    @Slot(object)
    def show_frame(self, frame) -> None:
        """Show an image and its prediction: a `gui.predict.predicting.Frame`."""
        self.view.show_image(frame.image)
        rate = tr("{count} image a second.", "{count} images a second.", count=round(frame.frames_per_s))
        title = ", ".join(frame.prediction.classes) if frame.prediction.classes else frame.prediction.class_name
        self.card.show_prediction(
            frame.prediction, title, (speed(frame.prediction, frame.provider), rate, *several(frame.prediction))
        )

    def show_taken(self, count: int) -> None:
        taken = tr("Images taken: {count}. They are shown when the camera stops.", count=f"{count:,}")
        self._taken.setText(taken if count else tr("Camera images are not stored, except those that you take."))

    def show_failure(self, message: str, hint: str) -> None:
        self.view.show_image(QImage(), tr("No image"))
        self.card.show_prediction(None, "", ())
        self.failure.show_message(message, hint, tone="bad")


class LiveView(QWidget):
    """Shows the latest image, or a text while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.image = QImage()
        self._words = ""
        self.setMinimumSize(200, 150)
        self.setAccessibleName(tr("Image of the camera"))

    def show_image(self, image: QImage, words: str = "") -> None:
        """Show an image; the text in place of a null image."""
        self.image, self._words = image, words
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        palette = theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), QColor(palette.sunken))
        if self.image.isNull():
            painter.setPen(QColor(palette.muted))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self._words)
            return
        scale = min(self.width() / self.image.width(), self.height() / self.image.height())
        width, height = self.image.width() * scale, self.image.height() * scale
        painter.drawImage(QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height), self.image)
