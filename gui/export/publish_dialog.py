"""Asks where an export is to be sent on the Hugging Face hub, and follows the sending. Knows Qt and plain data only."""

import re
from collections.abc import Sequence

from PySide6.QtCore import QSize, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication, QShowEvent
from PySide6.QtWidgets import QCheckBox, QDialog, QLabel, QLineEdit, QProgressBar, QSizePolicy, QWidget

from gui.export.exporting import Offer, Wish
from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, row, scrolling, text, verbatim
from gui.kit.progress_text import progress_text
from gui.kit.segments import Segments
from gui.kit.workers import Failure
from visionft.amounts import size_text
from visionft.events import Progress
from visionft.export.bundle.pushing import Sending
from visionft.weights.uploading import Destination, Sent

_WIDTH, _LEAST_FORM = 720, 120
_PRIVATE, _PUBLIC, _KNOWN, _OTHER = "private", "public", "known", "other"
_TOKEN_WORDS = {"environment": "The one of this computer (HF_TOKEN)", "login": "The one of this computer (your login)"}


class PublishDialog(QDialog):
    """Nothing is sent before `send_asked`; closed while it is sent, the sending goes on."""

    send_asked = Signal(object)  # Wish
    stop_asked = Signal()

    def __init__(self, parent: QWidget, offer: Offer, *, name: str) -> None:
        """Args: `name` is the export's, from which a name for the repository is proposed."""
        super().__init__(parent)
        self.setWindowTitle(tr("Publish to Hugging Face"))
        self._room = parent.window().size() - QSize(2 * theme.HUGE, 2 * theme.HUGE)
        self._width = min(theme.scaled(_WIDTH), self._room.width())
        self.setMinimumWidth(self._width)
        self._offer, self._address = offer, ""
        self.name_edit = QLineEdit(proposed_name(name))
        self.name_edit.setPlaceholderText(tr("NAME, or ORGANISATION/NAME"))
        self.name_edit.setAccessibleName(tr("Name of the repository"))
        self.replace_box = QCheckBox(tr("If it is there already, replace its files"))
        who = {_PRIVATE: tr("Only me"), _PUBLIC: tr("Everybody")}
        self.who = Segments(who, tr("Who may see it"))
        self._who_note = text("", "small", wrap=True)
        self._make_token_fields()
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_who()
        self._show_token()
        self.show_form()
        self.name_edit.setFocus()

    # -- building -----------------------------------------------------------------------------------------------

    def _make_token_fields(self) -> None:
        place = self._offer.token
        known = {_KNOWN: tr(_TOKEN_WORDS[place])} if place else {}
        self.which = Segments({**known, _OTHER: tr("Another one")}, tr("Token"))
        self.which.setVisible(bool(place))
        self.token_edit = QLineEdit()
        self.token_edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.token_edit.setPlaceholderText(tr("hf_…"))
        self.token_edit.setAccessibleName(tr("Token"))
        self.keep_box = QCheckBox(tr("Remember it on this computer"))
        made = "Made on huggingface.co under Settings, Access Tokens, with the right to write; forgotten afterwards."
        self._token_note = text(made, "small", wrap=True)

    def _make_buttons(self) -> None:
        self.fault = Banner()
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.stage = text("", "small")
        self.arrived = Card(tone="good", margin=theme.MEDIUM)
        self._done_words = text("", "strong", wrap=True)
        self.page_button = Button("Open page", "export", on_click=self._open_page)
        self.copy_button = Button("Copy address", "copy", on_click=self._copy)
        self.arrived.body.addWidget(self._done_words)
        self.arrived.body.addLayout(row(self.page_button, self.copy_button, None))
        self.close_button = Button("Cancel", on_click=self.reject)
        self.send_button = Button("Send", role="primary", on_click=self._send)
        self.send_button.setDefault(True)
        self.stop_button = Button("Stop", "stop", on_click=self.stop_asked.emit)

    def _lay_out(self) -> None:
        words = tr(
            "{count} files, {size}, go to {hub}. Nothing is sent before you press Send.",
            count=len(self._offer.files),
            size=size_text(self._offer.bytes),
            hub=self._offer.hub,
        )
        self._about, self._told, self._form = verbatim(words, "muted", wrap=True), self._notes(), QWidget()
        where = column(self._caption("Name of the repository"), self.name_edit, self.replace_box, None)
        who = column(self._caption("Who may see it"), self.who, self._who_note, None)
        both = row(where, who, spacing=theme.HUGE)
        both.setStretch(0, 1)
        both.setStretch(1, 1)
        token = (self._caption("Token"), self.which, self.token_edit, self.keep_box, self._token_note)
        self._form.setLayout(column(both, theme.SMALL, *token))
        head = column(text("Publish to Hugging Face", "title"), self._about, spacing=theme.HAIR)
        self._content = column(*self._told, theme.SMALL, self._form, None)
        state = (self.fault, self.arrived, self.stage, self.progress)
        foot = column(*state, theme.SMALL, row(None, self.close_button, self.stop_button, self.send_button))
        for part in (head, self._content, foot):  # the scroll bar is at the edge
            part.setContentsMargins(theme.HUGE, 0, theme.HUGE, 0)
        self._area = scrolling(self._content)
        layout = column(head, self._area, foot, spacing=theme.MEDIUM)
        layout.setContentsMargins(0, theme.HUGE, 0, theme.HUGE)
        self.setLayout(layout)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        for label in self.findChildren(QLabel):  # else each has room for the lines it would have in a narrow column
            if label.wordWrap():
                label.setSizePolicy(policy)

    def sizeHint(self) -> QSize:
        """Return the size of what is shown, as far as it is seen without scrolling."""
        layout, width = self.layout(), self._width
        return QSize(width, layout.totalHeightForWidth(width)) if layout is not None else super().sizeHint()

    def showEvent(self, event: QShowEvent) -> None:
        """Fit once the letters have their sizes."""
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Be as high as what is shown now; where that is higher than the window, what lies in the middle scrolls."""
        for layout in (self._form.layout(), self._content):  # from the inside, or what is outside knows nothing of it
            if layout is not None:
                layout.activate()
        whole = self._content.totalHeightForWidth(self._width)
        self._area.setFixedHeight(whole)
        too_much = max(0, self.sizeHint().height() - self._room.height())
        self._area.setFixedHeight(max(whole - too_much, min(whole, theme.scaled(_LEAST_FORM))))
        self.setFixedHeight(self.sizeHint().height())

    @staticmethod
    def _caption(words: str) -> QWidget:
        return verbatim(tr(words), "caption")

    def _notes(self) -> list[QLabel]:
        """Return what is sent, and what a person should know of it before."""
        plain = "No picture of yours is among them. The card tells your classes, how many pictures, and results."
        named = "No picture of yours is among them, but index.safetensors tells names, notes and tags of labelled ones."
        is_named = self._offer.names_pictures
        caveats = [tr("Before a commercial use: {what}", what=tr(each)) for each in self._offer.caveats]
        return [
            verbatim(files_in_words(self._offer.files), "small", wrap=True),
            text(named, "small", wrap=True, tone="warn") if is_named else text(plain, "small", wrap=True),
            *(verbatim(each, "small", wrap=True, tone="warn") for each in caveats),
        ]

    def _connect(self) -> None:
        for edit in (self.name_edit, self.token_edit):
            edit.textChanged.connect(lambda _words: self._show_enabled())
        self.who.chosen.connect(lambda _value: self._show_who())
        self.which.chosen.connect(lambda _value: self._show_token())
        self.fault.dismissed.connect(self._fit)

    # -- showing ------------------------------------------------------------------------------------------------

    def wish(self) -> Wish:
        """Return what is asked for as it stands here."""
        is_typed = self.which.value() == _OTHER
        to = Destination(
            repository=self.name_edit.text().strip(),
            is_public=self.who.value() == _PUBLIC,
            may_replace=self.replace_box.isChecked(),
            token=self.token_edit.text() if is_typed else "",
        )
        return Wish(to=to, keeps_token=is_typed and self.keep_box.isChecked())

    def show_progress(self, progress: Progress) -> None:
        """Show how far the sending is."""
        self.stage.setText(progress_text(progress))
        self.progress.setRange(0, 1000 if progress.total else 0)
        self.progress.setValue(round(1000 * progress.done / progress.total) if progress.total else 0)

    def show_form(self) -> None:
        """Show that nothing is sent; what was typed stays, to be mended."""
        self._show_state(is_sending=False)

    def show_failure(self, failure: Failure) -> None:
        """Show why nothing was sent."""
        self.show_form()
        self.fault.show_message(failure.message, failure.hint, tone="info" if failure.is_stop else "bad")
        self._fit()

    def show_sent(self, sent: Sent) -> None:
        """Show where it is now."""
        self.show_form()
        self._address = sent.address
        who = tr("Everybody may see it.") if sent.is_public else tr("Only you, and whom you let in, may see it.")
        self._done_words.setText(f"{tr('Sent to {address}.', address=sent.address)} {who}")
        for widget in (self._about, self._area, self.send_button):  # all that was said of what was to come
            widget.hide()
        self.arrived.show()
        self.close_button.setText(tr("Close"))
        self._fit()

    def _show_state(self, *, is_sending: bool) -> None:
        for widget in (self.stage, self.progress, self.stop_button):
            widget.setVisible(is_sending)
        self.send_button.setVisible(not is_sending)
        self._form.setEnabled(not is_sending)
        self.arrived.hide()
        self.fault.hide()
        self.close_button.setText(tr("Close, it goes on") if is_sending else tr("Cancel"))
        self._show_enabled()
        self._fit()

    def _show_who(self) -> None:
        words = {
            _PRIVATE: tr("A private repository. You can open it to others there later."),
            _PUBLIC: tr("Anyone can find it and download it, with the names of your classes and the results."),
        }
        self._who_note.setText(words[self.who.value()])
        self._fit()

    def _show_token(self) -> None:
        is_typed = self.which.value() == _OTHER
        for widget in (self.token_edit, self.keep_box, self._token_note):
            widget.setVisible(is_typed)
        self._show_enabled()
        self._fit()

    def _show_enabled(self) -> None:
        reason = self._why_not_send()
        self.send_button.setEnabled(not reason)
        self.send_button.setToolTip(reason)

    def _why_not_send(self) -> str:
        wish = self.wish()
        if not wish.to.repository:
            return tr("Give the repository a name.")
        return tr("Give a token.") if self.which.value() == _OTHER and not wish.to.token.strip() else ""

    def about(self) -> str:
        """Return how much goes where; empty once it is there."""
        return "" if self._about.isHidden() else self._about.text()

    def files(self) -> str:
        """Return what is said of the files."""
        return self._told[0].text()

    def notes(self) -> str:
        """Return what is said of them before they are sent."""
        return "\n".join(label.text() for label in self._told[1:])

    def arrived_words(self) -> str:
        """Return where it is now; empty before it is."""
        return "" if self.arrived.isHidden() else self._done_words.text()

    # -- doing --------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        wish = self.wish()
        self._show_state(is_sending=True)
        self.show_progress(Progress(stage="Sending", done=0, total=0))
        self.send_asked.emit(wish)

    def _open_page(self) -> None:
        url = QUrl(self._address)
        if url.scheme() in ("http", "https"):  # it is what the hub said
            QDesktopServices.openUrl(url)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._address)
        self.copy_button.setText(tr("Copied"))


def proposed_name(name: str) -> str:
    """Return a name as the hub takes it: letters, digits, `-`, `_` and `.`, 96 of them at most."""
    return re.sub(r"-{2,}", "-", re.sub(r"\.{2,}|[^A-Za-z0-9._-]+", "-", name)).strip("-.")[:96].rstrip("-.")


def files_in_words(files: Sequence[Sending]) -> str:
    """Return the files with their sizes in a line; those of a folder as one, so that a model is not lost among them."""
    sizes: dict[str, int] = {}
    for each in files:
        first, slash, _ = each.name.partition("/")
        sizes[first + slash] = sizes.get(first + slash, 0) + each.bytes
    return " · ".join(f"{name}\u00a0{size_text(size)}".replace(" ", "\u00a0") for name, size in sizes.items())
