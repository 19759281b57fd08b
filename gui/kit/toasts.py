"""Messages over a page, stacked in its lower right corner: nothing moves when one comes or goes.

Success messages disappear after a reading time; errors and messages with an action stay until dismissed. None takes
the focus: `Toasts.take_focus` gives it to the newest; Esc dismisses it. A screen reader announces each one.
"""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QColor, QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QApplication, QGraphicsDropShadowEffect, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.banner import Banner, ButtonAction
from gui.kit.parts import Tone

WIDTH = 420
MAX_TOASTS = 4
MIN_MS, LETTER_MS, ACTION_MS = 4000, 60, 4000  # 17 letters a second is fast reading
AGAIN_MS = 1500  # after the pointer or the focus has left


class Toast(Banner):
    """One message. `about` is the owner's key for it."""

    def __init__(self, about: str = "") -> None:
        super().__init__(is_narrow=True)
        self.about = about
        self.stays = True
        self.had_focus = False  # when it was dismissed
        self.setProperty("role", "toast")
        self._clock = QTimer(self, singleShot=True)
        self._clock.timeout.connect(self._on_clock_timeout)
        shadow = QGraphicsDropShadowEffect()  # with a parent, PySide frees it twice: `setGraphicsEffect` owns it
        shadow.setBlurRadius(24)
        shadow.setOffset(0, 4)
        shadow.setColor(QColor(0, 0, 0, 70))
        self.setGraphicsEffect(shadow)

    def show_message(
        self,
        message: str,
        hint: str = "",
        *,
        tone: Tone = "info",
        details: str = "",
        action: ButtonAction | None = None,
    ) -> None:
        """Show a message, permanently or for its reading time."""
        self.stays = tone == "bad" or bool(details) or (tone != "good" and action is not None)
        self._clock.setInterval(MIN_MS + LETTER_MS * len(message + hint) + (ACTION_MS if action else 0))
        super().show_message(message, hint, tone=tone, details=details, action=action)

    def has_focus(self) -> bool:
        now = QApplication.focusWidget()
        return now is not None and self.isAncestorOf(now)

    def dismiss(self) -> None:
        self.had_focus = self.has_focus()
        super().dismiss()

    def take_focus(self) -> None:
        buttons = (self.action_button, self.details_button, self.close_button)
        next(each for each in buttons if not each.isHidden()).setFocus(Qt.FocusReason.TabFocusReason)

    def _on_clock_timeout(self) -> None:
        """Dismiss it, unless it is being read or the window is inactive."""
        if self.underMouse() or self.has_focus() or not self.isActiveWindow():
            self._clock.start(AGAIN_MS)
        else:
            self.dismiss()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not self.stays:
            self._clock.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._clock.stop()


class Toasts(QWidget):
    """The stack of toasts, the newest lowest, over the lower right corner of a widget inside `parent`."""

    changed = Signal()  # the set of toasts has changed
    focus_left = Signal()  # the toast with the keyboard focus was dismissed

    def __init__(self, parent: QWidget, over: QWidget) -> None:
        super().__init__(parent)
        self._over = over
        self._shown: list[Toast] = []
        self._stack = QVBoxLayout(self)
        self._stack.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)  # room for the shadow
        self._stack.setSpacing(theme.SMALL)
        over.installEventFilter(self)
        self.hide()

    def show_message(
        self,
        message: str,
        hint: str = "",
        *,
        tone: Tone = "info",
        details: str = "",
        action: ButtonAction | None = None,
        about: str = "",
    ) -> Toast:
        """Show another message; a repeated one moves to the newest position."""
        toast = Toast(about)
        self._stack.addWidget(toast)
        toast.show_message(message, hint, tone=tone, details=details, action=action)
        toast.dismissed.connect(lambda: self._take_away(toast))
        self.drop(lambda each: each.accessibleName() == toast.accessibleName() and each.tone == tone)
        self._shown.append(toast)
        while len(self._shown) > MAX_TOASTS:  # those with a timeout go first, then the oldest
            next((each for each in self._shown if not each.stays), self._shown[0]).dismiss()
        self._place()
        said = QAccessibleAnnouncementEvent(toast, toast.accessibleName())
        politeness = QAccessible.AnnouncementPoliteness
        said.setPoliteness(politeness.Assertive if tone in ("bad", "warn") else politeness.Polite)
        QAccessible.updateAccessibility(said)
        self.changed.emit()
        return toast

    def drop(self, is_meant: Callable[[Toast], bool] = lambda _toast: True) -> None:
        """Dismiss the matching toasts; by default all."""
        for toast in [each for each in self._shown if is_meant(each)]:
            toast.dismiss()

    @property
    def newest(self) -> Toast | None:
        return self._shown[-1] if self._shown else None

    def message(self) -> str:
        return self._shown[-1].message() if self._shown else ""

    def messages(self) -> list[str]:
        return [toast.message() for toast in self._shown]

    def take_focus(self) -> None:
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

    def _place(self) -> None:
        """Cover the corner, only as wide and high as the messages need; the rest of the page stays usable."""
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
        """Reposition after a change of a toast's size: expanded details, longer text."""
        if event.type() == QEvent.Type.LayoutRequest:
            self._place()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move):
            self._place()
        return super().eventFilter(watched, event)
