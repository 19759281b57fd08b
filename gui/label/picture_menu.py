"""The menu of the selected pictures: their class, tags, split and note, and the commands with their keys."""

from collections.abc import Callable

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import swatch
from gui.label.filter_bar import SPLIT_KEYS, SPLIT_NAMES
from gui.label.labeller import Labeller
from gui.label.session import LabelSession

MOST_CLASSES = 30  # of more the class list is quicker


def picture_menu(labels: LabelSession, labeller: Labeller, parent: QWidget) -> QMenu:
    """Return the menu of what is selected now."""
    menu = QMenu(parent)
    _add_classes(menu.addMenu(tr("Label as")), labels, labeller)
    for name in ("label.clear", "label.skip"):
        _add_command(menu, labels, name)
    menu.addSeparator()
    _add_tags(menu.addMenu(tr("Tag")), labels, labeller)
    _add_splits(menu.addMenu(tr("Split")), labeller)
    _add_command(menu, labels, "label.note")
    menu.addSeparator()
    for name in ("label.toggle_viewer", "picture.similar", "label.select_all"):
        _add_command(menu, labels, name)
    menu.addSeparator()
    _add_command(menu, labels, "label.remove")
    return menu


def _add_classes(menu: QMenu, labels: LabelSession, labeller: Labeller) -> None:
    key_of = {name: key for key, name in labels.keys.items()}
    for row in labels.classes[:MOST_CLASSES]:
        action = _add(menu, row.name, lambda name=row.name: labeller.assign(name), key_of.get(row.name, "").upper())
        action.setIcon(swatch(theme.class_colour(labels.colours[row.name]).name()))
    menu.setEnabled(bool(labels.classes))


def _add_tags(menu: QMenu, labels: LabelSession, labeller: Labeller) -> None:
    for tag in labels.tags:
        action = _add(menu, tag, lambda tag=tag: labeller.toggle_tag(tag))
        action.setCheckable(True)
        action.setChecked(labeller.has_tag(tag))
    if labels.tags:
        menu.addSeparator()
    _add(menu, tr("Another tag"), labeller.ask_tag, labels.state.actions.shown_keys("label.tag"))


def _add_splits(menu: QMenu, labeller: Labeller) -> None:
    for key, title in zip(SPLIT_KEYS[1:], SPLIT_NAMES[1:], strict=True):
        split = None if key == "unassigned" else key
        _add(menu, tr(title), lambda split=split: labeller.set_split(split))  # type: ignore[arg-type]


def _add_command(menu: QMenu, labels: LabelSession, name: str) -> None:
    actions = labels.state.actions
    action = _add(menu, actions.title(name), lambda: actions.run(name), actions.shown_keys(name))
    action.setEnabled(not actions.why_not(name))


def _add(menu: QMenu, title: str, act: Callable[[], object], keys: str = "") -> QAction:
    action = menu.addAction(f"{title.replace('&', '&&')}\t{keys}" if keys else title.replace("&", "&&"))
    action.triggered.connect(lambda _checked=False: act())
    return action
