"""Messages over a page, stacked in its lower right corner: nothing moves when one comes or goes. Knows Qt only.

Good news leaves once there was time to read it; what went wrong, or offers a way on, stays until it is dismissed. None
takes the focus: `Toasts.take_focus` gives it to the newest, whose Esc dismisses it, and a screen reader says each one.
"""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QColor, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QGraphicsDropShadowEffect, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.banner import Banner, Way
from gui.kit.parts import Tone

WIDTH = 420
MOST = 4
_LEAST_MS, _LETTER_MS, _WAY_MS = 4000, 60, 4000  # 17 letters a second is quick reading
_AGAIN_MS = 1500  # after the pointer or the focus has left


class Toast(Banner):
    """One message. `about` is what its owner knows it by."""

    def __init__(self, about: str = "") -> None:
        super().__init__(is_narrow=True)
        self.about = about
        self.stays = True
        self.had_focus = False  # when it was dismissed
        self.setProperty("role", "toast")
        self._clock = QTimer(self)
        self._clock.setSingleShot(True)
        self._clock.timeout.connect(self._on_clock_timeout)
        shadow = QGraphicsDropShadowEffect(self)
        shadow.setBlurRadius(24)
        shadow.setOffset(0, 4)
        shadow.setColor(QColor(0, 0, 0, 70))
        self.setGraphicsEffect(shadow)

    def show_message(
        self, message: str, hint: str = "", *, tone: Tone = "info", details: str = "", way: Way | None = None
    ) -> None:
        """Show a message, for good or for as long as it takes to read."""
        self.stays = tone == "bad" or bool(details) or (tone != "good" and way is not None)
        self._clock.setInterval(_LEAST_MS + _LETTER_MS * len(message + hint) + (_WAY_MS if way else 0))
        super().show_message(message, hint, tone=tone, details=details, way=way)

    def has_focus(self) -> bool:
        """Whether the keyboard is in it."""
        now = QApplication.focusWidget()
        return now is not None and self.isAncestorOf(now)

    def dismiss(self) -> None:
        """Go."""
        self.had_focus = self.has_focus()
        super().dismiss()

    def take_focus(self) -> None:
        """Put the keyboard on its first button."""
        buttons = (self.way_button, self.details_button, self.close_button)
        next(each for each in buttons if not each.isHidden()).setFocus(Qt.FocusReason.TabFocusReason)

    def _on_clock_timeout(self) -> None:
        """Go, unless somebody reads it or nobody looks at the window."""
        if self.underMouse() or self.has_focus() or not self.isActiveWindow():
            self._clock.start(_AGAIN_MS)
        else:
            self.dismiss()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Esc dismiss it."""
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Start its clock."""
        super().showEvent(event)
        if not self.stays:
            self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop its clock."""
        super().hideEvent(event)
        self._clock.stop()


class Toasts(QWidget):
    """The stack of them, the newest lowest, over the lower right corner of a widget that lies in `parent`."""

    changed = Signal()  # there are others now
    focus_left = Signal()  # the one that had the keyboard has gone

    def __init__(self, parent: QWidget, over: QWidget) -> None:
        super().__init__(parent)
        self._over = over
        self._shown: list[Toast] = []
        self._stack = QVBoxLayout(self)
        self._stack.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)  # room for the shadow
        self._stack.setSpacing(theme.SMALL)
        over.installEventFilter(self)
        self.hide()

    def say(
        self,
        message: str,
        hint: str = "",
        *,
        tone: Tone = "info",
        details: str = "",
        way: Way | None = None,
        about: str = "",
    ) -> Toast:
        """Show one more message; said again, it moves to the newest place."""
        toast = Toast(about)
        self._stack.addWidget(toast)
        toast.show_message(message, hint, tone=tone, details=details, way=way)
        toast.dismissed.connect(lambda: self._take_away(toast))
        self.drop(lambda each: each.accessibleName() == toast.accessibleName() and each.tone == tone)
        self._shown.append(toast)
        self._drop_the_oldest()
        self._place()
        self._announce(toast)
        self.changed.emit()
        return toast

    def drop(self, is_meant: Callable[[Toast], bool] = lambda _toast: True) -> None:
        """Take away those that are meant; all of them unless told otherwise."""
        for toast in [each for each in self._shown if is_meant(each)]:
            toast.dismiss()

    @property
    def newest(self) -> Toast | None:
        """Return the newest message that is shown."""
        return self._shown[-1] if self._shown else None

    def message(self) -> str:
        """Return what the newest says; empty when none is shown."""
        return self._shown[-1].message() if self._shown else ""

    def messages(self) -> list[str]:
        """Return what all of them say, the oldest first."""
        return [toast.message() for toast in self._shown]

    def take_focus(self) -> None:
        """Put the keyboard on the newest."""
        if self._shown:
            self._shown[-1].take_focus()

    def _take_away(self, toast: Toast) -> None:
        if toast in self._shown:
            self._shown.remove(toast)
        self._stack.removeWidget(toast)
        toast.deleteLater()
        self._place()
        self.changed.emit()
        if toast.had_focus and self._shown:
            self.take_focus()
        elif toast.had_focus:
            self.focus_left.emit()

    def _drop_the_oldest(self) -> None:
        """Make room: those that would go by themselves go first."""
        while len(self._shown) > MOST:
            next((each for each in self._shown if not each.stays), self._shown[0]).dismiss()

    def _announce(self, toast: Toast) -> None:
        said = QAccessibleAnnouncementEvent(toast, toast.accessibleName())
        is_urgent = toast.tone in ("bad", "warn")
        politeness = QAccessible.AnnouncementPoliteness
        said.setPoliteness(politeness.Assertive if is_urgent else politeness.Polite)
        QAccessible.updateAccessibility(said)

    # -- place --------------------------------------------------------------------------------------------------

    def _place(self) -> None:
        """Lie over the corner, as wide and high as the messages need; the page is used everywhere else."""
        self.setVisible(bool(self._shown))
        if not self._shown:
            return
        room = self._over.geometry()
        width = min(theme.scaled(WIDTH) + 2 * theme.LARGE, room.width())
        self._stack.invalidate()
        height = min(self._stack.totalHeightForWidth(width), room.height())
        self.setGeometry(room.right() + 1 - width, room.bottom() + 1 - height, width, height)
        self.raise_()

    def event(self, event: QEvent) -> bool:
        """Follow what a message needs: its details may be unfolded, the text may grow."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._place()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the widget over which they lie."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move):
            self._place()
        return super().eventFilter(watched, event)
