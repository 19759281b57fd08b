"""Every command of the window by name: where it works, what it is called, which keys it has. The one source.

Menus, command palette, shortcut sheet, settings and the pages' own keys all read this table. Which keys the user chose
instead is a dict of the settings, {name: keys}; keys are written as `QKeySequence` does in its portable form.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import QKeyCombination, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence

from gui.kit.i18n import tr

EVERYWHERE, LABEL, VIEWER, TRAIN, TRY = "Everywhere", "Label", "Viewer", "Train", "Try"
_PORTABLE, _NATIVE = QKeySequence.SequenceFormat.PortableText, QKeySequence.SequenceFormat.NativeText
CLASS_KEYS = "123456789"
Chosen = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One command.

    Attributes:
        name: By which code and settings know it.
        title: What the user reads, in English.
        keys: Its keys unless the user chose others; all of them work, the first one is shown.
        place: Where the keys work. `EVERYWHERE` cannot share a key with any other place.
        menu: The menu it is in; empty for none.
    """

    name: str
    title: str
    keys: tuple[str, ...] = ()
    place: str = EVERYWHERE
    menu: str = ""


ENTRIES: tuple[Entry, ...] = (
    Entry("file.new", "New project", ("Ctrl+N",), menu="File"),
    Entry("file.open", "Open project", ("Ctrl+O",), menu="File"),
    Entry("file.sample", "Try a sample project", menu="File"),
    Entry("file.import", "Import pictures", ("Ctrl+I",), menu="File"),
    Entry("file.close", "Close project", ("Ctrl+W",), menu="File"),
    Entry("file.quit", "Quit", ("Ctrl+Q",), menu="File"),
    Entry("edit.undo", "Undo", ("Ctrl+Z",), menu="Edit"),
    Entry("edit.redo", "Redo", ("Ctrl+Shift+Z", "Ctrl+Y"), menu="Edit"),
    Entry("page.project", "Go to Project", ("Ctrl+1",), menu="View"),
    Entry("page.label", "Go to Label", ("Ctrl+2",), menu="View"),
    Entry("page.train", "Go to Train", ("Ctrl+3",), menu="View"),
    Entry("page.results", "Go to Results", ("Ctrl+4",), menu="View"),
    Entry("page.export", "Go to Export", ("Ctrl+5",), menu="View"),
    Entry("page.try", "Go to Try", ("Ctrl+6",), menu="View"),
    Entry("page.settings", "Go to Settings", ("Ctrl+7",), menu="View"),
    Entry("view.next_page", "Next page", ("Ctrl+Tab",), menu="View"),
    Entry("view.previous_page", "Previous page", ("Ctrl+Shift+Tab",), menu="View"),
    Entry("view.light", "Theme: Light", menu="View"),
    Entry("view.dark", "Theme: Dark", menu="View"),
    Entry("view.system", "Theme: System", menu="View"),
    Entry("view.larger", "Larger text", ("Ctrl++", "Ctrl+="), menu="View"),
    Entry("view.smaller", "Smaller text", ("Ctrl+-",), menu="View"),
    Entry("view.full_screen", "Full screen", ("F11",), menu="View"),
    Entry("run.start", "Start training", ("Ctrl+Return", "Ctrl+Enter"), TRAIN, "Run"),
    Entry("run.enqueue", "Add the run to the queue", ("Ctrl+Shift+Return",), TRAIN, "Run"),
    Entry("run.pause", "Pause training", menu="Run"),
    Entry("run.stop", "Stop the running job", ("Ctrl+.",), menu="Run"),
    Entry("run.evaluate", "Evaluate the chosen run", menu="Run"),
    Entry("run.again", "Train again from the chosen run", menu="Run"),
    Entry("run.export", "Export the chosen run", menu="Run"),
    Entry("run.check", "Check this computer", menu="Run"),
    Entry("try.paste", "Try the picture on the clipboard", ("Ctrl+V",), TRY, "Run"),
    Entry("try.open", "Open an exported model", menu="Run"),
    Entry("try.camera", "Switch the camera on or off", menu="Run"),
    Entry("try.csv", "Classify a folder into a table", menu="Run"),
    Entry("help.commands", "All commands", ("Ctrl+K",), menu="Help"),
    Entry("help.shortcuts", "Keyboard shortcuts", ("?", "F1"), menu="Help"),
    Entry("help.log", "Open the folder of the log", menu="Help"),
    Entry("help.report", "Copy report", menu="Help"),
    Entry("help.about", "About VisionFT", menu="Help"),
    Entry("label.previous", "Previous picture", ("A",), LABEL),
    Entry("label.next", "Next picture", ("D",), LABEL),
    Entry("label.previous_unlabelled", "Previous without a label", ("Ctrl+A",), LABEL),
    Entry("label.next_unlabelled", "Next without a label", ("Ctrl+D",), LABEL),
    Entry("label.skip", "Skip", ("N",), LABEL),
    Entry("label.clear", "Clear the labels", ("0",), LABEL),
    Entry("label.remove", "Take out of the project", ("Del",), LABEL),
    Entry("label.select_all", "Select all", ("Ctrl+Shift+A",), LABEL),
    Entry("label.accept", "Accept the suggestion, else open the viewer", ("Return", "Enter"), LABEL),
    Entry("label.toggle_viewer", "Open or close the viewer", ("Space",), LABEL),
    Entry("label.tag", "Tag", ("Ctrl+T",), LABEL),
    Entry("viewer.fit", "Fit", ("F",), VIEWER),
    Entry("viewer.real_pixels", "Real pixels", ("Z",), VIEWER),
    Entry("viewer.zoom_in", "Zoom in", ("+",), VIEWER),
    Entry("viewer.zoom_out", "Zoom out", ("-",), VIEWER),
    Entry("viewer.close", "Back to the grid", ("Esc",), VIEWER),
)
BY_NAME = {entry.name: entry for entry in ENTRIES}


def keys_of(name: str, chosen: Chosen) -> tuple[str, ...]:
    """Return the keys of a command: the user's choice, or its own."""
    if name in chosen:
        return (chosen[name],) if chosen[name] else ()
    return BY_NAME[name].keys


def shown_keys(name: str, chosen: Chosen) -> str:
    """Return a command's first key as this system writes it; empty when it has none."""
    keys = keys_of(name, chosen)
    return native(keys[0]) if keys else ""


def native(keys: str) -> str:
    """Return portable keys as this system writes them."""
    return QKeySequence(keys, _PORTABLE).toString(_NATIVE)


def fault_of(name: str, keys: str, chosen: Chosen) -> str:
    """Return why a command cannot have these keys, for the user; empty when it can."""
    entry = BY_NAME[name]
    if not keys:
        return ""
    if entry.place != LABEL and entry.place != VIEWER and not _is_safe_while_typing(keys):
        return tr("Use Ctrl or Alt with it: a letter alone would act while you type.")
    if entry.place in (LABEL, VIEWER) and keys in CLASS_KEYS:
        return tr("1 to 9 give the classes.")
    for other in ENTRIES:
        if other.name != name and keys in keys_of(other.name, chosen) and _overlap(entry.place, other.place):
            return tr("{keys} is taken by “{title}”.", keys=native(keys), title=tr(other.title))
    return ""


def _is_safe_while_typing(keys: str) -> bool:
    combination = QKeySequence(keys, _PORTABLE)[0]  # type: ignore[index]
    strong = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
    is_function_key = Qt.Key.Key_F1 <= combination.key() <= Qt.Key.Key_F35
    return bool(combination.keyboardModifiers() & strong) or is_function_key or keys == "?"


def _overlap(first: str, second: str) -> bool:
    pair = {first, second}
    return len(pair) == 1 or EVERYWHERE in pair or pair == {LABEL, VIEWER}


def letters_in_use(chosen: Chosen) -> dict[str, str]:
    """Return {single key, lower case: title} of what the label page takes: a class cannot have these keys."""
    places = (LABEL, VIEWER)
    found = ((key, entry) for entry in ENTRIES if entry.place in places for key in keys_of(entry.name, chosen))
    return {key.casefold(): entry.title for key, entry in found if len(key) == 1} | {"?": "Keyboard shortcuts"}


def pressed(event: QKeyEvent) -> str:
    """Return the keys of an event in portable form; what needs Shift to be typed, such as `+`, comes without it."""
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    key = Qt.Key(event.key())
    is_sign = event.text() and event.text().isprintable() and not event.text().isalpha()
    if modifiers == Qt.KeyboardModifier.ShiftModifier and is_sign and key != Qt.Key.Key_Space:
        modifiers = Qt.KeyboardModifier.NoModifier
    return QKeySequence(QKeyCombination(modifiers, key)).toString(_PORTABLE)


def name_of(event: QKeyEvent, places: tuple[str, ...], chosen: Chosen) -> str:
    """Return the command of these places whose key was pressed; empty for none."""
    keys = pressed(event)
    fitting = (entry.name for entry in ENTRIES if entry.place in places and keys in keys_of(entry.name, chosen))
    return next(fitting, "")


def by_group() -> dict[str, list[Entry]]:
    """Return the commands as people look for them: those of a menu together, then those of a place."""
    groups: dict[str, list[Entry]] = {}
    for entry in ENTRIES:
        groups.setdefault(entry.menu or entry.place, []).append(entry)
    return groups
