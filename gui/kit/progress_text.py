"""How far a piece of work is, in words; one place, so that every screen says it alike. Knows no widgets."""

from gui.kit.i18n import tr
from visionft.amounts import size_text
from visionft.events import Progress


def progress_text(progress: Progress) -> str:
    """Return the stage and how far it is, in the language of the window: "Import: 200 of 1,000"."""
    stage, done, total = tr(progress.stage), progress.done, progress.total
    if not done and not total:
        return stage
    write = size_text if progress.unit == "bytes" else "{:,}".format
    words = "{stage}: {done} of {total}" if total else "{stage}: {done} so far"
    return tr(words, stage=stage, done=write(done), total=write(total))
