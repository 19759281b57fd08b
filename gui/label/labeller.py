"""The user's actions on the selected images and on the classes, each one durable change; their keys and menus."""

from collections.abc import Callable, Sized
from typing import Literal

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtGui import QAction, QColor, QKeyEvent
from PySide6.QtWidgets import QColorDialog, QInputDialog, QMenu, QWidget

from gui.actions import LABEL, VIEWER, Actions
from gui.image_edits import ImageKeys, ImageMenu, add_entry
from gui.kit import theme
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.label.class_panel import ClassPanel
from gui.label.image_search import PUT_OFF, SPLIT_KEYS, SPLIT_NAMES, find_unlabelled
from gui.label.label_session import LabelSession
from visionft.analysis.suggestions import current_suggestions
from visionft.data.types import Split
from visionft.project.edits.changes import AcceptSuggestions, AssignSplits, UnlabelImages
from visionft.project.edits.class_changes import (
    ColorClass,
    DeleteClass,
    MergeClasses,
    OrderClasses,
    RenameClass,
    SetShortcut,
)
from visionft.project.edits.image_changes import ReviewImages, WriteNote
from visionft.project.store import ProjectStore

_ARROWS = {Qt.Key.Key_Left: "label.previous", Qt.Key.Key_Right: "label.next"}


class Labeller(QObject):
    """Acts on the selected images; a change to several is announced, with Undo. Then the next image is current."""

    def __init__(self, labels: LabelSession, window: QWidget) -> None:
        super().__init__(window)
        self._labels, self._selection, self._window = labels, labels.selection, window
        self._finder = BackgroundReader(find_unlabelled, self._go_to, parent=self)
        self._searched: tuple[int, ...] = ()  # the images of the newest search for an unlabelled image
        self._is_told = False  # whether to tell the user if all have labels

    @Slot(str)
    def assign(self, class_name: str) -> None:
        """Label the selected images with a class; in a multi-label project remove it if all have it."""
        project = self._labels.project
        chosen = self._selection.selected_ids()
        if project is not None and self._labels.relabel(chosen, class_name):
            self._go_on(len(chosen), is_multi=project.task == "multi")

    def accept(self) -> None:
        """Accept the suggestions for the selected images; without any, toggle the viewer."""
        project = self._labels.project
        chosen = self._selection.selected_ids()
        found = self._labels.suggesting.found
        suggested = {image_id: found[image_id] for image_id in chosen if image_id in found}
        if project is not None and len(suggested) > 200:  # one query is cheaper than reading each image
            suggested = current_suggestions(project, suggested)
        elif suggested:
            cells = self._labels.cells(tuple(suggested))
            suggested = {cell.image_id: suggested[cell.image_id] for cell in cells if cell.suggested}
        classes = {image_id: each.classes for image_id, each in suggested.items()}
        if not classes:
            self._labels.toggle_viewer()
        elif self._labels.apply(AcceptSuggestions(classes), _of_several("{count} suggestions were accepted.", classes)):
            self._go_on(len(chosen), is_multi=False)

    def skip(self) -> None:
        """Postpone the selected images, and continue with the next."""
        chosen = self._selection.selected_ids()
        text = _of_several("{count} images were put off.", chosen)
        if chosen and self._labels.apply(ReviewImages(chosen, "later"), text) and len(chosen) == 1:
            self._selection.step(1)

    def ask_tag(self) -> None:
        self._labels.ask_tag(self._selection.selected_ids(), self._window)

    def ask_note(self) -> None:
        """Ask for the note of the current image; an empty one is deleted."""
        for cell in self._labels.cells((self._selection.current_id(),)):
            question = tr("Note on {name}; the search finds it", name=cell.path.name)
            note, is_accepted = QInputDialog.getMultiLineText(self._window, tr("Note"), question, cell.note)
            if is_accepted and note.strip() != cell.note:
                self._labels.apply(WriteNote(cell.image_id, note))

    def set_split(self, split: Split | None) -> None:
        chosen = self._selection.selected_ids()
        title = tr(SPLIT_NAMES[SPLIT_KEYS.index(split or "unassigned")])
        text = _of_several("{count} images are in “{split}” now.", chosen, split=title)
        self._labels.apply(AssignSplits(dict.fromkeys(chosen, split)), text)

    def clear_labels(self) -> None:
        if chosen := self._selection.selected_ids():
            self._labels.apply(UnlabelImages(chosen), _of_several("{count} images have no label now.", chosen))

    def remove(self) -> None:
        self._labels.remove(self._selection.selected_ids())

    def step_unlabelled(self, step: int) -> None:
        """Make the next or previous unlabelled image current, with wrap-around; postponed ones are skipped."""
        project = self._labels.project
        if project is None or (step > 0 and self._labels.ask_for_useful()):
            return
        is_put_off = self._labels.query.label_state == PUT_OFF
        self._find_unlabelled(project, step, "later" if is_put_off else "none", is_told=True)

    def leave_labelled(self) -> None:
        """Make the next unlabelled image current if the current one has a label; without any, stay."""
        current = self._labels.cells((self._selection.current_id(),))
        if self._labels.project is not None and any(cell.labels for cell in current):
            self._find_unlabelled(self._labels.project, 1, "none", is_told=False)

    def _find_unlabelled(
        self, project: ProjectStore, step: int, review: Literal["none", "later"], *, is_told: bool
    ) -> None:
        self._searched, self._is_told = self._selection.ids, is_told
        self._finder.ask(project, self._searched, self._selection.place, step, review)

    def _go_to(self, found: tuple[int, bool]) -> None:
        """Make the image found current, unless it is not shown any more; say so if all images have labels."""
        ids = self._selection.ids
        image_id, is_any = found
        if image_id:
            if image_id in ids:  # the list may have been read again: its filter leaves out what has a label now
                self._selection.set_current(ids.index(image_id))
        elif self._searched is not ids or not self._is_told:
            return
        elif is_any:
            hint = tr("Unlabelled images were put off, or the filter hides them.")
            self._labels.state.show_message(tr("Every image shown has a label."), hint, tone="info")
        else:
            self._labels.state.show_message(tr("Every image has a label."), tone="good")

    def close(self) -> None:
        self._finder.close()

    def _go_on(self, count: int, *, is_multi: bool) -> None:
        goes_on = count == 1 and not is_multi and self._labels.state.settings.auto_advance
        if goes_on and not self._labels.ask_for_useful():
            self._selection.step(1)


def _of_several(message: str, changed: Sized, **values: object) -> str:
    """Return the message about a change to several images; empty for one, because that change is visible."""
    return tr(message, count=f"{len(changed):,}", **values) if len(changed) > 1 else ""


class ClassActions(QObject):
    """Listens to a class panel; each action is one undoable change."""

    def __init__(self, labels: LabelSession, panel: ClassPanel, window: QWidget) -> None:
        super().__init__(window)
        self._labels, self._window = labels, window
        panel.rename_wanted.connect(self._on_rename_wanted)
        panel.merge_wanted.connect(self._on_merge_wanted)
        panel.delete_wanted.connect(
            lambda name: labels.apply(DeleteClass(name), tr("Class “{name}” was deleted.", name=name))
        )
        panel.key_wanted.connect(self._on_key_wanted)
        panel.colour_wanted.connect(self._on_colour_wanted)
        panel.reordered.connect(lambda names: labels.apply(OrderClasses(tuple(names))))

    @Slot(str)
    def _on_rename_wanted(self, name: str) -> None:
        question = tr("New name of “{name}”", name=name)
        typed, is_accepted = QInputDialog.getText(self._window, tr("Rename class"), question, text=name)
        new_name = typed.strip()
        if not is_accepted or not new_name or new_name == name:
            return
        other = self._labels.known_name(new_name)
        if other is not None and other != name:
            self._on_merge_wanted(name, other)
        else:
            self._labels.apply(RenameClass(name, new_name))

    @Slot(str, str)
    def _on_merge_wanted(self, name: str, into: str) -> None:
        text = tr("“{name}” was merged into “{into}”.", name=name, into=into)
        self._labels.apply(MergeClasses((name,), into), text)

    @Slot(str, str)
    def _on_colour_wanted(self, name: str, colour: str) -> None:
        if colour == "?":
            colours = self._labels.colours
            start = theme.class_colour(colours[name]) if name in colours else QColor()
            chosen = QColorDialog.getColor(start, self._window, tr("Colour of “{name}”", name=name))
            if not chosen.isValid():
                return
            colour = chosen.name()
        self._labels.apply(ColorClass(name, colour or None))

    @Slot(str)
    def _on_key_wanted(self, name: str) -> None:
        question = tr("One letter or digit for “{name}”; empty for none", name=name)
        typed, is_accepted = QInputDialog.getText(self._window, tr("Set key"), question)
        key = typed.strip()
        use = self._labels.state.actions.letters_in_use().get(key.casefold())
        if is_accepted and use is not None:
            fault = tr("“{key}” is the key of “{title}”.", key=key, title=tr(use))
            self._labels.state.show_message(fault, tr("Choose another key, or give that command another one."))
        elif is_accepted:
            self._labels.apply(SetShortcut(name, key or None))


class TagMenu(QMenu):
    """The tags; a tag of all selected images is checked once the tags are read."""

    def __init__(self, labels: LabelSession, labeller: Labeller, parent: QWidget) -> None:
        super().__init__(tr("Tag"), parent)
        self._entries: dict[str, QAction] = {}
        for tag in labels.tags:
            entry = add_entry(self, tag, lambda tag=tag: labels.toggle_tag(labels.selection.selected_ids(), tag))
            entry.setCheckable(True)
            self._entries[tag] = entry
        if self._entries:
            self.addSeparator()
            labels.common_tags_read.connect(self._check)
            labels.read_common_tags()
        add_entry(self, tr("Another tag"), labeller.ask_tag, labels.state.actions.shown_keys("label.tag"))

    @Slot(object)
    def _check(self, tags: frozenset[str]) -> None:
        for tag, entry in self._entries.items():
            entry.setChecked(tag in tags)


def image_menu(labels: LabelSession, labeller: Labeller, parent: QWidget) -> QMenu:
    menu = ImageMenu(labels.state.actions, parent)
    menu.add_classes(labels, labeller.assign)
    for name in ("label.clear", "label.skip"):
        menu.add_command(name)
    menu.addSeparator()
    menu.addMenu(TagMenu(labels, labeller, menu))
    splits = menu.addMenu(tr("Split"))
    for key, title in zip(SPLIT_KEYS[1:], SPLIT_NAMES[1:], strict=True):
        split = None if key == "unassigned" else key
        add_entry(splits, tr(title), lambda split=split: labeller.set_split(split))  # type: ignore[arg-type]
    menu.add_command("label.note")
    menu.addSeparator()
    for name in ("label.toggle_viewer", "image.similar", "label.select_all"):
        menu.add_command(name)
    menu.addSeparator()
    menu.add_command("label.remove")
    return menu


def label_keys(
    labels: LabelSession, assign: Callable[[str], object], parent: QObject, *, place: str = LABEL
) -> ImageKeys:
    """Return the event filter of an image view; `place` is the scope of the keys: the viewer is part of the page's."""

    def command_of(event: QKeyEvent) -> str:
        is_viewing = labels.is_viewing and place == LABEL
        found = labels.state.actions.command_for_key(event, (VIEWER, place) if is_viewing else (place,))
        return found or (_ARROWS.get(Qt.Key(event.key()), "") if is_viewing else "")

    return ImageKeys(labels, assign, parent, command_of=command_of)


def key_hint(commands: Actions, *, has_suggestions: bool = False) -> str:
    """Return a line of the most used assigned keys, with the keys of suggestions if there are any."""
    key = commands.shown_keys
    accepts, back, forth = key("label.accept"), key("label.previous"), key("label.next")
    clears, unlabelled = key("label.clear"), key("label.next_unlabelled")
    removes, sheet = key("label.remove"), key("help.shortcuts")
    parts = (
        tr("0-9 and letters label"),
        tr("{key} accepts", key=accepts) if accepts and has_suggestions else "",
        tr("{key} clears", key=clears) if clears else "",
        tr("{back} and {forth} move", back=back, forth=forth) if back and forth else "",
        tr("{key} next without label", key=unlabelled) if unlabelled else "",
        tr("{key} opens", key=accepts) if accepts and not has_suggestions else "",
        tr("{key} removes", key=removes) if removes else "",
        tr("{key} all keys", key=sheet) if sheet else "",
    )
    return ", ".join(filter(None, parts))
