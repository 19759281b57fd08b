"""What checking an export again found, in words. Knows no Qt."""

from gui.kit.i18n import tr
from visionft.export.bundle.verifying import Fault, Verification
from visionft.export.contents import SCRIPT_FILE

_FAULTS: dict[Fault, str] = {
    "changed": "Changed: {names}.",
    "missing": "Missing: {names}.",
    "unreadable": "Unreadable: {names}.",
}
_SHOWN = 6


def check_words(found: Verification) -> str:
    """Return sentences: whether all is as it was exported, else what is not; and what does not belong to it."""
    said: list[str] = []
    if found.is_whole:
        said.append(
            tr("Checked again: all {n} files are as they were exported, and it answers as it did.", n=found.checked)
        )
    for fault, words in _FAULTS.items():
        if names := [each.name for each in found.faults if each.fault == fault]:
            said.append(tr(words, names=_listed(names)))
    if other := [each.name for each in found.answers if not each.is_equal]:
        said.append(tr("Other answers than when it was exported: {names}.", names=_listed(other)))
    if found.sample:
        said.append(tr("predict.py answers otherwise than the model."))
    if found.why_not_run:
        said.append(tr("{file} was not run: {reason}", file=SCRIPT_FILE, reason=tr(found.why_not_run)))
    if not found.is_whole:
        said.append(tr("Export it again, or copy it anew."))
    if found.foreign:
        said.append(tr("Not of this export: {names}.", names=_listed(list(found.foreign))))
    return " ".join(said)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
