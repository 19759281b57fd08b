"""Progress in words; one module, so that every screen uses the same texts. Knows no widgets."""

from gui.kit.translation import tr
from models.messages import Message
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
