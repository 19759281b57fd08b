"""The line of the most used keys below the pictures. Plain data."""

from gui.actions import Actions
from gui.kit.i18n import tr


def key_hint(actions: Actions) -> str:
    """Return the line of the most used keys; a command without a key is left out."""
    key = actions.shown_keys
    parts = [tr("0-9 and letters label")]
    if clear := key("label.clear"):
        parts.append(tr("{key} clears", key=clear))
    if (back := key("label.previous")) and (forth := key("label.next")):
        parts.append(tr("{back} and {forth} move", back=back, forth=forth))
    if unlabelled := key("label.next_unlabelled"):
        parts.append(tr("{key} next without label", key=unlabelled))
    if opens := key("label.accept"):
        parts.append(tr("{key} opens", key=opens))
    if remove := key("label.remove"):
        parts.append(tr("{key} removes", key=remove))
    if sheet := key("help.shortcuts"):
        parts.append(tr("{key} all keys", key=sheet))
    return ", ".join(parts)
