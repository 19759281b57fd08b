"""Image changes shared by the pages Label and Curate: labels, tags and removal, with keys and a context menu."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QMenu, QWidget

from gui.actions import Actions
from gui.kit import theme
from gui.kit.dialogs import ask_tag
from gui.kit.icons import swatch
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.messages import Message
from visionft.project.edits.changes import Change, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages, UntagImages
from visionft.project.queries import ClassRow, common_tags, count_with_class, tag_names
from visionft.project.store import ProjectStore


class ImageEdits(QObject):
    """Applies durable changes to the open project; does nothing without a project."""

    announce_min_images = 1  # changes of labels or tags are announced from this number of images on

    def __init__(self, state: AppState, session: ProjectSession | None, parent: QObject) -> None:
        super().__init__(parent)
        self.state, self.session = state, session
        self.project: ProjectStore | None = session.project if session is not None else None
        self.classes: tuple[ClassRow, ...] = ()
        self.colours: dict[str, ClassColour] = {}
        self.keys: dict[str, str] = {}  # {key: class name}

    def apply(self, change: Change, message: str = "") -> bool:
        """Apply a change and show its message with an Undo button; return whether it succeeded."""
        session = self.session
        if session is None:
            return False
        is_applied = session.run(session.project.apply, change, is_slow=change.is_bulk) is not None
        if is_applied and message:
            self.state.show_message(message, tone="good", command="edit.undo")
        return is_applied

    def announcement(self, message: Message, image_ids: Sequence[int], **values: object) -> str:
        """Return the translated message about a change; empty for fewer than `announce_min_images` images."""
        return tr(message, count=len(image_ids), **values) if len(image_ids) >= self.announce_min_images else ""

    def remove(self, image_ids: Sequence[int]) -> None:
        """Remove images from the project; undo brings them back."""
        if image_ids:
            message = Message(
                "{count} image was removed from the project.", "{count} images were removed from the project."
            )
            self.apply(RemoveImages(tuple(image_ids)), tr(message, count=len(image_ids)))

    def unlabel(self, image_ids: Sequence[int], name: str) -> None:
        message = Message("“{name}” was removed from {count} image.", "“{name}” was removed from {count} images.")
        self.apply(UnlabelImages(tuple(image_ids), name), self.announcement(message, image_ids, name=name))

    def relabel(self, image_ids: Sequence[int], name: str) -> bool:
        """Assign a class; in a multi-label project remove it if all images have it. Return whether it was assigned."""
        project = self.project
        chosen = tuple(image_ids)
        if project is None or not chosen:
            return False
        if project.task == "multi" and count_with_class(project, chosen, name) == len(chosen):
            self.unlabel(chosen, name)
            return False
        message = Message("{count} image is labelled “{name}” now.", "{count} images are labelled “{name}” now.")
        return self.apply(LabelImages(chosen, name), self.announcement(message, chosen, name=name))

    def ask_tag(self, image_ids: Sequence[int], window: QWidget) -> None:
        """Ask for a tag and toggle it: a tag that all images have is removed."""
        if self.project is None or not image_ids:
            return
        if tag := ask_tag(window, len(image_ids), tag_names(self.project)):
            self.toggle_tag(image_ids, tag)

    def toggle_tag(self, image_ids: Sequence[int], tag: str) -> None:
        """Add a tag to images; remove it if all of them have it."""
        chosen = tuple(image_ids)
        if self.project is not None and tag in common_tags(self.project, chosen):
            change = UntagImages(chosen, tag)
            message = Message(
                "The tag “{tag}” was removed from {count} image.", "The tag “{tag}” was removed from {count} images."
            )
        else:
            change = TagImages(chosen, tag)
            message = Message("{count} image has the tag “{tag}” now.", "{count} images have the tag “{tag}” now.")
        self.apply(change, self.announcement(message, chosen, tag=tag))


MAX_MENU_CLASSES = 30  # in longer lists the search field of the class list is quicker
_IGNORED_MODIFIERS = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier


class ImageKeys(QObject):
    """An event filter for widgets with images: class keys assign the class, other keys run commands."""

    def __init__(
        self,
        edits: ImageEdits,
        assign: Callable[[str], object],
        parent: QObject,
        *,
        command_of: Callable[[QKeyEvent], str],
    ) -> None:
        """Args: `assign` assigns a class; `command_of` returns the command id of a key press, or an empty string."""
        super().__init__(parent)
        self._edits, self._assign, self._command_of = edits, assign, command_of

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.KeyPress or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        typed = event.text().casefold()
        keys = self._edits.keys
        if typed and typed in keys and not event.modifiers() & ~_IGNORED_MODIFIERS:
            self._assign(keys[typed])
        elif name := self._command_of(event):
            self._edits.state.actions.run(name)
        else:
            return super().eventFilter(watched, event)
        return True


class ImageMenu(QMenu):
    """The context menu of the selected images."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self._actions = actions

    def add_classes(self, edits: ImageEdits, assign: Callable[[str], object]) -> None:
        """Append a submenu of the classes, each with its colour and key."""
        menu = self.addMenu(tr("Label as"))
        menu.setEnabled(bool(edits.classes))
        key_of = {name: key for key, name in edits.keys.items()}
        for row in edits.classes[:MAX_MENU_CLASSES]:
            keys = key_of.get(row.name, "").upper()
            action = add_entry(menu, row.name, lambda name=row.name: assign(name), keys)
            action.setIcon(swatch(theme.class_colour(edits.colours[row.name]).name()))

    def add_command(self, name: str, title: str = "") -> None:
        """Append a command; `title` replaces its own title."""
        actions = self._actions
        action = add_entry(self, title or actions.title(name), lambda: actions.run(name), actions.shown_keys(name))
        action.setEnabled(not actions.why_not(name))


def add_entry(menu: QMenu, title: str, act: Callable[[], object], keys: str = "") -> QAction:
    caption = title.replace("&", "&&")
    action = menu.addAction(f"{caption}\t{keys}" if keys else caption)
    action.triggered.connect(lambda _checked=False: act())
    return action
