"""The menu of the selected pictures: their class, and the commands of the view with their keys."""

from collections.abc import Callable

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from gui.actions import Actions
from gui.curate.curation import Curation
from gui.curate.view import View
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import swatch

MOST_CLASSES = 30  # of more the class box is quicker


def picture_menu(view: View, curation: Curation, parent: QWidget) -> QMenu:
    """Return the menu of what is selected now."""
    menu, actions = QMenu(parent), curation.state.actions
    if view.gives_classes and curation.classes:
        _add_classes(menu.addMenu(tr("Label as")), view, curation)
        menu.addSeparator()
    for name, command in view.commands.items():
        if command.needs_picture:
            _add_command(menu, actions, name, command.words)
    menu.addSeparator()
    for name in ("curate.toggle_viewer", "picture.similar"):
        _add_command(menu, actions, name)
    return menu


def _add_classes(menu: QMenu, view: View, curation: Curation) -> None:
    key_of = {name: key for key, name in curation.keys.items()}
    for row in curation.classes[:MOST_CLASSES]:
        action = _add(menu, row.name, lambda name=row.name: view.accept_class(name), key_of.get(row.name, "").upper())
        action.setIcon(swatch(theme.class_colour(curation.colours[row.name]).name()))


def _add_command(menu: QMenu, actions: Actions, name: str, words: str = "") -> None:
    title, reason = words or actions.title(name), actions.why_not(name)
    action = _add(menu, title, lambda: actions.run(name), actions.shown_keys(name))
    action.setEnabled(not reason)


def _add(menu: QMenu, title: str, act: Callable[[], object], keys: str) -> QAction:
    words = title.replace("&", "&&")
    action = menu.addAction(f"{words}\t{keys}" if keys else words)
    action.triggered.connect(lambda _checked=False: act())
    return action
