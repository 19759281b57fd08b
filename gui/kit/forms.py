"""A settings dataclass as a form with inline errors. The only file that maps field types to widgets.

Fields carry metadata (label, help, min, max, unit, choices, advanced, automatic; see
`visionft.core.settings.setting`). A field with a settings dataclass as its value becomes a group; its errors are named
`group.field`.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal, SignalInstance
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QSpinBox, QWidget

from gui.kit import theme
from gui.kit.fold import FoldButton
from gui.kit.parts import column, restyle, row, text, verbatim, widget_of
from gui.kit.translation import tr
from visionft.core.errors import Problem

_EDITOR_WIDTH = 132
_Editor = tuple[QWidget, SignalInstance, Callable[[], Any], Callable[[Any], None]]


@dataclasses.dataclass(kw_only=True)
class _Entry:
    """One field of the form: its widgets, and its getter and setter."""

    is_advanced: bool
    caption: QLabel
    editor: QWidget
    fault: QLabel
    read: Callable[[], Any]
    write: Callable[[Any], None]


class ConfigForm(QWidget):
    """A form over some fields of one frozen settings dataclass; its advanced part is built on first opening."""

    edited = Signal()

    def __init__(self, config: Any, *, names: Sequence[str] | None = None) -> None:
        """Build the plain fields.

        Args:
            config: The settings to show; also the defaults until `set_default`.
            names: The fields to show; None for all.
        """
        super().__init__()
        self._config = self._default = config
        self._entries: dict[str, _Entry] = {}
        self._plain, self._advanced = QGridLayout(), QGridLayout()
        advanced = widget_of(self._advanced)
        self.advanced_button = FoldButton("Advanced", advanced)
        self.advanced_button.toggled.connect(self._build_advanced)
        for grid in (self._plain, self._advanced):
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setHorizontalSpacing(theme.LARGE)
            grid.setVerticalSpacing(theme.TIGHT)
            grid.setColumnStretch(0, 1)
        every = {field.name: field for field in dataclasses.fields(config) if field.metadata}
        chosen = list(every.values()) if names is None else [every[name] for name in names]
        self._unbuilt = {field.name: field for field in chosen if field.metadata.get("advanced")}
        for field in chosen:
            if field.name not in self._unbuilt:
                self._add(field)
        if not self._unbuilt:
            self.advanced_button.hide()
        foot = row(self.advanced_button, None)
        self.setLayout(column(self._plain, foot, advanced))
        self._show_modified()

    def value(self) -> Any:
        """Return the settings in the form; unreadable numbers are returned as NaN and fail validation."""
        changes = {name: entry.read() for name, entry in self._entries.items()}
        return dataclasses.replace(self._config, **changes)

    def set_value(self, config: Any) -> None:
        """Show `config`, without reporting an edit."""
        self._config = config
        for name, entry in self._entries.items():
            with QSignalBlocker(entry.editor):
                entry.write(getattr(config, name))
        self.show_problems(())
        self._show_modified()

    def set_default(self, config: Any) -> None:
        """Set the defaults: settings that differ from them are shown as changed."""
        self._default = config
        self._show_modified()

    def modified_names(self) -> list[str]:
        shown = self.value()
        names = [*self._entries, *self._unbuilt]
        pairs = {name: (getattr(shown, name), getattr(self._default, name)) for name in names}
        return [name for name, (now, usual) in pairs.items() if now != usual and (now == now or usual == usual)]

    def show_problems(self, problems: Sequence[Problem], *, prefix: str = "") -> bool:
        """Mark the invalid fields; return whether any of the problems belongs to this form."""
        mine = [problem for problem in problems if problem.field.startswith(prefix)]
        faults = {problem.field.removeprefix(prefix): problem for problem in mine}
        if faults.keys() & self._unbuilt.keys():
            self._build_advanced()
        for name, entry in self._entries.items():
            problem = faults.get(name)
            restyle(entry.editor, fault="true" if problem else "false")
            entry.fault.setText(f"{tr(problem.message)} {tr(problem.hint)}".strip() if problem else "")
            entry.fault.setVisible(problem is not None)
        faulty = [name for name in self._entries if name in faults]
        if any(self._entries[name].is_advanced for name in faulty):
            self.advanced_button.setChecked(True)
        if faulty:
            self._entries[faulty[0]].editor.setFocus()
        return bool(faulty)

    def first_fault(self) -> QWidget | None:
        """Return the editor of the first error shown."""
        return next((entry.editor for entry in self._entries.values() if not entry.fault.isHidden()), None)

    def editor(self, name: str) -> QWidget:
        if name in self._unbuilt:
            self._build_advanced()
        return self._entries[name].editor

    def _build_advanced(self) -> None:
        """Build the advanced part, once."""
        waiting, self._unbuilt = self._unbuilt, {}
        for field in waiting.values():
            self._add(field)
        self._show_modified()

    def _add(self, field: dataclasses.Field[Any]) -> None:
        meta = field.metadata
        value = getattr(self._config, field.name)
        editor, edited, read, write = _editor(value, meta)
        write(value)
        edited.connect(self._on_edited)
        if not isinstance(editor, QCheckBox):
            editor.setMinimumWidth(_EDITOR_WIDTH)
        unit = f" ({tr(meta['unit'])})" if meta.get("unit") else ""
        label = tr(meta.get("label", field.name))
        words = tr(meta.get("help", ""))
        caption = verbatim(label + unit)
        caption.setBuddy(editor)
        fault = text(role="fault", wrap=True)
        fault.hide()
        for widget in (caption, editor):
            widget.setToolTip(words)
        editor.setAccessibleName(label)
        editor.setAccessibleDescription(words)
        is_advanced = bool(meta.get("advanced"))
        grid = self._advanced if is_advanced else self._plain
        line = grid.rowCount()
        grid.addWidget(caption, line, 0)
        grid.addWidget(editor, line, 1)
        grid.addWidget(fault, line + 1, 0, 1, 2)
        self._entries[field.name] = _Entry(
            is_advanced=is_advanced, caption=caption, editor=editor, fault=fault, read=read, write=write
        )

    def _on_edited(self, *_: object) -> None:
        self._show_modified()
        self.edited.emit()

    def _show_modified(self) -> None:
        names = self.modified_names()
        for name, entry in self._entries.items():
            restyle(entry.caption, role="strong" if name in names else "body")
        hidden = sum(name in names for name, each in self._entries.items() if each.is_advanced)
        hidden += sum(name in names for name in self._unbuilt)
        words = tr("Advanced ({count} changed)", count=hidden) if hidden else tr("Advanced")
        self.advanced_button.setText(words)


def value_words(value: object, field: dataclasses.Field[Any]) -> str:
    """Return a setting's value in words; “automatic” for the number that leaves the choice to the program."""
    automatic = field.metadata.get("automatic")
    titles = field.metadata.get("choices") or {}
    if automatic is not None and value == automatic:
        return tr("automatic")
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    return tr(titles[value]) if value in titles else str(value) or "–"


class _WheelFilter(QObject):
    """Keeps the wheel from an editor without the focus: scrolling a form must not change values."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()  # the page scrolls instead
            return True
        return super().eventFilter(watched, event)


def _choose(box: QComboBox, name: str) -> None:
    """Choose a value; an unknown value leaves the box empty."""
    box.setCurrentIndex(box.findData(name))


def _editor(value: Any, meta: Mapping[str, Any]) -> _Editor:
    """Return the editor of a value, its signal of a change, its getter and its setter."""
    if meta.get("choices"):
        choice = QComboBox()
        for name, title in meta["choices"].items():
            choice.addItem(tr(title), name)
        choice.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        choice.installEventFilter(_WheelFilter(choice))
        return choice, choice.currentIndexChanged, choice.currentData, lambda new: _choose(choice, new)
    if isinstance(value, bool):
        box = QCheckBox()
        return box, box.toggled, box.isChecked, box.setChecked
    if isinstance(value, int):
        spin = QSpinBox()
        low = meta.get("min")
        high = meta.get("max")
        spin.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        spin.installEventFilter(_WheelFilter(spin))
        spin.lineEdit().setTextMargins(7, 0, 0, 0)
        spin.setRange(int(low) if low is not None else -(2**31), int(high) if high is not None else 2**31 - 1)
        if meta.get("automatic") == spin.minimum():
            spin.setSpecialValueText(tr("automatic"))
        return spin, spin.valueChanged, spin.value, spin.setValue
    field = QLineEdit()
    automatic = meta.get("automatic")
    if not isinstance(value, float):
        return field, field.textChanged, lambda: field.text().strip(), lambda new: field.setText(str(new))
    # Numbers are typed as text (`3e-4`, `0,05`): a spin box would round small rates to two decimals.
    field.setPlaceholderText(tr("automatic") if automatic is not None else "")

    def read() -> float:
        typed = field.text().strip().replace(",", ".")
        try:
            return float(typed or (math.nan if automatic is None else automatic))
        except ValueError:
            return math.nan

    return field, field.textChanged, read, lambda new: field.setText("" if new == automatic else f"{new:g}")
