"""The line of the most used keys below the pictures. Plain data."""

from gui.actions import Actions
from gui.kit.i18n import tr


def key_hint(actions: Actions, *, has_suggestions: bool = False) -> str:
    """Return the line of the most used keys, that of suggestions where there are any; what has none is left out."""
    key = actions.shown_keys
    parts = [tr("0-9 and letters label")]
    accepts = key("label.accept")
    if accepts and has_suggestions:
        parts.append(tr("{key} accepts", key=accepts))
    if clear := key("label.clear"):
        parts.append(tr("{key} clears", key=clear))
    if (back := key("label.previous")) and (forth := key("label.next")):
        parts.append(tr("{back} and {forth} move", back=back, forth=forth))
    if unlabelled := key("label.next_unlabelled"):
        parts.append(tr("{key} next without label", key=unlabelled))
    if accepts and not has_suggestions:
        parts.append(tr("{key} opens", key=accepts))
    if remove := key("label.remove"):
        parts.append(tr("{key} removes", key=remove))
    if sheet := key("help.shortcuts"):
        parts.append(tr("{key} all keys", key=sheet))
    return ", ".join(parts)
