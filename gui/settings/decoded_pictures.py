"""The card about the pictures that are kept decoded: what they take, what they may take, and their end."""

from PySide6.QtCore import Slot

from gui.environment import decoded_limit_is_given
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, choice_box, text
from gui.kit.workers import WorkerPool
from gui.settings.rows import line, place_of
from gui.state import AppState
from visionft.amounts import size_text
from visionft.data.cache_space import CacheUse, cache_folder, cache_use, clear_cache

LIMITS_MB = {
    0: "Keep none",
    2000: "2 GB",
    5000: "5 GB",
    10_000: "10 GB",
    20_000: "20 GB",
    50_000: "50 GB",
    100_000: "100 GB",
    500_000: "500 GB",
}


class DecodedPictures(Card):
    """Shows and limits what training, evaluation and suggestions have decoded."""

    def __init__(self, state: AppState) -> None:
        super().__init__(spacing=theme.MEDIUM)
        self.state = state
        self._is_closed = False
        self._looking = WorkerPool(_look, threads=1, answers_age=True, parent=self)
        self._looking.done.connect(self._on_looked)
        self.note = text(role="small")
        self.limit_box = choice_box("Space for decoded pictures", [tr(name) for name in LIMITS_MB.values()])
        self.limit_box.activated.connect(lambda place: state.change_settings(decoded_mb=list(LIMITS_MB)[place]))
        self.clear_button = Button("Clear", "trash", on_click=self.clear)
        self.clear_button.setToolTip(tr("Delete the decoded pictures; training decodes them again"))
        self.clear_button.setEnabled(False)
        self.body.addWidget(text("Decoded pictures", "heading"))
        limit_note = "Kept so that training reads a photograph once; never more than half of the free space"
        self.body.addLayout(line("Taken now", self.note, self.clear_button))
        self.body.addLayout(line("At most", limit_note, self.limit_box))
        self.place = ElidedLabel(str(cache_folder()), "small")
        self.body.addWidget(self.place)

    def show_settings(self) -> None:
        """Show the limit that is chosen."""
        self.limit_box.setCurrentIndex(place_of(self.state.settings.decoded_mb, LIMITS_MB))
        self.limit_box.setEnabled(not decoded_limit_is_given())

    def refresh(self) -> None:
        """Look, beside the window, at what they take."""
        if not self._is_closed:
            self._looking.request(["use"])

    def clear(self) -> None:
        """Delete them."""
        self.clear_button.setEnabled(False)
        self._looking.request(["clear"])

    @Slot(object, object)
    def _on_looked(self, _what: str, use: CacheUse) -> None:
        self.note.setText(tr("{count} files, {size}", count=f"{use.files:,}", size=size_text(use.bytes)))
        self.clear_button.setEnabled(use.files > 0)

    def close_workers(self) -> None:
        """Wait for what is being looked at."""
        self._is_closed = True
        self._looking.close()


def _look(what: str) -> CacheUse:
    return clear_cache(cache_folder()) if what == "clear" else cache_use(cache_folder())
