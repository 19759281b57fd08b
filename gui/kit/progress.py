"""Progress in words and as a bar; one module, so that every screen shows both alike."""

from PySide6.QtWidgets import QProgressBar

from gui.kit import theme
from gui.kit.translation import tr
from models.messages import Message, Text
from visionft.amounts import size_text
from visionft.events import Progress


def progress_text(progress: Progress) -> str:
    """Return stage and progress, in the language of the window: "Import: 200 of 1,000"."""
    stage, done, total = tr(progress.stage), progress.done, progress.total
    if not done and not total:
        return stage
    write = size_text if progress.unit == "bytes" else "{:,}".format
    words = Message("{stage}: {done} of {total}") if total else Message("{stage}: {done} so far")
    return tr(words, stage=stage, done=write(done), total=write(total))


class ProgressBar(QProgressBar):
    """A bar without text; `name` is its accessible name, `width` its width at the normal text size."""

    def __init__(self, name: Text = "Progress", *, width: int = 0) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setAccessibleName(tr(name))
        if width:
            self.setFixedWidth(theme.scaled(width))

    def show_progress(self, done: int, total: int) -> None:
        """Show the share done, busy without a total; in thousandths, as Qt cannot hold the bytes of large files."""
        self.setRange(0, 1000 if total else 0)
        self.setValue(round(1000 * done / total) if total else 0)
