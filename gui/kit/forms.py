"""A settings dataclass as a form with inline errors. The only file that maps field types to widgets.

Fields carry metadata (label, help, min, max, unit, choices, advanced, automatic; see `models.settings.setting`); a
field whose value is itself a settings dataclass becomes a group, its faults are named `group.field`.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLabel, QLineEdit, QSpinBox, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, pill, restyle, row, text, verbatim
from visionft.errors import Problem

_EDITOR_WIDTH = 132


class _CalmSpinBox(QSpinBox):
    """A spin box that the wheel changes only while it has the focus: scrolling a form must not alter it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().setTextMargins(7, 0, 0, 0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the page unless the field has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _CalmComboBox(QComboBox):
    """A choice that the wheel changes only while it has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the page unless the field has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


@dataclasses.dataclass(kw_only=True)
class _Entry:
    """One field of the form: its widgets, and how to read and write its value."""

    field: dataclasses.Field[Any]
    caption: QLabel
    editor: QWidget
    fault: QLabel
    read: Callable[[], Any]
    write: Callable[[Any], None]


class ConfigForm(QWidget):
    """A form over some fields of one frozen settings dataclass; its advanced part is built when it is first opened."""

    edited = Signal()

    def __init__(self, config: Any, *, names: Sequence[str] | None = None, has_reset: bool = True) -> None:
        """Build the plain fields.

        Args:
            config: The settings to show; also the defaults until `set_default`.
            names: The fields to offer; None takes all.
            has_reset: Show the form's own Modified badge and Reset button.
        """
        super().__init__()
        self._config = config
        self._default = config
        self._has_reset = has_reset
        self._entries: dict[str, _Entry] = {}
        self._modified = pill("Modified", "accent")
        self._modified.setToolTip(tr("Some settings differ from their defaults"))
        self.reset_button = Button("Reset", role="quiet", on_click=self.reset)
        self.reset_button.setToolTip(tr("Take the defaults again"))
        self.advanced_button = Button("Advanced", "chevron-right", role="fold", on_click=self._toggle_advanced)
        self.advanced_button.setCheckable(True)
        self._plain, self._advanced = QGridLayout(), QGridLayout()
        self._advanced_box = QWidget()
        self._advanced_box.setLayout(self._advanced)
        self._advanced_box.hide()
        for grid in (self._plain, self._advanced):
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setHorizontalSpacing(theme.LARGE)
            grid.setVerticalSpacing(theme.TIGHT)
            grid.setColumnStretch(0, 1)
        chosen = self._fields(names)
        self._unbuilt = {field.name: field for field in chosen if field.metadata.get("advanced")}
        for field in chosen:
            if field.name not in self._unbuilt:
                self._add(field)
        if not self._unbuilt:
            self.advanced_button.hide()
        foot = row(self.advanced_button, None, self._modified, self.reset_button)
        self.setLayout(column(self._plain, foot, self._advanced_box))
        self._show_modified()

    # -- values -------------------------------------------------------------------------------------------------

    def value(self) -> Any:
        """Return the settings as the form shows them; unreadable numbers come back as NaN and fail their check."""
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
        """Compare with `config` from now on: it is what Reset shows and what Modified means."""
        self._default = config
        self._show_modified()

    def reset(self) -> None:
        """Show the defaults again."""
        self.set_value(self._default)
        self.edited.emit()

    @property
    def is_modified(self) -> bool:
        """Whether any field differs from its default."""
        return bool(self.modified_names())

    def modified_names(self) -> list[str]:
        """Return the fields that differ from their defaults."""
        shown = self.value()
        names = [*self._entries, *self._unbuilt]
        return [name for name in names if not _same(getattr(shown, name), getattr(self._default, name))]

    def show_problems(self, problems: Sequence[Problem], *, prefix: str = "") -> bool:
        """Mark the faulty fields; return whether any of the problems belongs to this form."""
        faults = {problem.field.removeprefix(prefix): problem for problem in problems if problem.field}
        if faults.keys() & self._unbuilt.keys():
            self._build_advanced()
        for name, entry in self._entries.items():
            problem = faults.get(name)
            restyle(entry.editor, fault="true" if problem else "false")
            entry.fault.setText(f"{problem.message} {problem.hint}".strip() if problem else "")
            entry.fault.setVisible(problem is not None)
        faulty = [name for name in self._entries if name in faults]
        if any(self._entries[name].field.metadata.get("advanced") for name in faulty):
            self._open_advanced(True)
        if faulty:
            self._entries[faulty[0]].editor.setFocus()
        return bool(faulty)

    def first_fault(self) -> QWidget | None:
        """Return the editor of the first fault shown."""
        return next((entry.editor for entry in self._entries.values() if not entry.fault.isHidden()), None)

    def editor(self, name: str) -> QWidget:
        """Return the widget that edits field `name`."""
        if name in self._unbuilt:
            self._build_advanced()
        return self._entries[name].editor

    # -- building -----------------------------------------------------------------------------------------------

    def _fields(self, names: Sequence[str] | None) -> list[dataclasses.Field[Any]]:
        every = {field.name: field for field in dataclasses.fields(self._config) if field.metadata}
        return list(every.values()) if names is None else [every[name] for name in names]

    def _build_advanced(self) -> None:
        waiting, self._unbuilt = self._unbuilt, {}
        for field in waiting.values():
            self._add(field)
        self._show_modified()

    def _add(self, field: dataclasses.Field[Any]) -> None:
        meta = field.metadata
        editor, read, write = _editor(getattr(self._config, field.name), meta, self._on_edited)
        unit = f" ({tr(meta['unit'])})" if meta.get("unit") else ""
        label, words = tr(meta.get("label", field.name)), tr(meta.get("help", ""))
        caption = verbatim(label + unit)
        caption.setBuddy(editor)
        fault = text(role="fault", wrap=True)
        fault.hide()
        for widget in (caption, editor):
            widget.setToolTip(words)
        editor.setAccessibleName(label)
        editor.setAccessibleDescription(words)
        grid = self._advanced if meta.get("advanced") else self._plain
        line = grid.rowCount()
        grid.addWidget(caption, line, 0)
        grid.addWidget(editor, line, 1)
        grid.addWidget(fault, line + 1, 0, 1, 2)
        self._entries[field.name] = _Entry(
            field=field, caption=caption, editor=editor, fault=fault, read=read, write=write
        )

    # -- slots --------------------------------------------------------------------------------------------------

    def _on_edited(self, *_: object) -> None:
        self._show_modified()
        self.edited.emit()

    def _show_modified(self) -> None:
        names = self.modified_names()
        self._modified.setVisible(bool(names) and self._has_reset)
        self.reset_button.setVisible(bool(names) and self._has_reset)
        for name, entry in self._entries.items():
            restyle(entry.caption, role="strong" if name in names else "body")
        hidden = sum(name in names for name in (*self._advanced_names(), *self._unbuilt))
        self.advanced_button.setText(f"Advanced ({hidden} changed)" if hidden else tr("Advanced"))

    def _advanced_names(self) -> list[str]:
        return [name for name, entry in self._entries.items() if entry.field.metadata.get("advanced")]

    def _toggle_advanced(self) -> None:
        self._open_advanced(self.advanced_button.isChecked())

    def _open_advanced(self, is_open: bool) -> None:
        if is_open and self._unbuilt:
            self._build_advanced()
        self.advanced_button.setChecked(is_open)
        self.advanced_button.set_icon_name("chevron-down" if is_open else "chevron-right")
        self._advanced_box.setVisible(is_open)


def _same(first: Any, second: Any) -> bool:
    return first == second or (first != first and second != second)


def _editor(
    value: Any, meta: Any, on_edited: Callable[..., None]
) -> tuple[QWidget, Callable[[], Any], Callable[[Any], None]]:
    """Return the widget for a value, and the functions that read and write it."""
    if meta.get("choices"):
        return _choice_editor(value, meta, on_edited)
    if isinstance(value, bool):
        box = QCheckBox()
        box.setChecked(value)
        box.toggled.connect(on_edited)
        return box, box.isChecked, box.setChecked
    if isinstance(value, int):
        return _whole_number_editor(value, meta, on_edited)
    if isinstance(value, float):
        return _number_editor(value, meta, on_edited)
    field = QLineEdit(str(value))
    field.setMinimumWidth(_EDITOR_WIDTH)
    field.textChanged.connect(on_edited)
    return field, lambda: field.text().strip(), lambda new: field.setText(str(new))


def _choice_editor(
    value: Any, meta: Any, on_edited: Callable[..., None]
) -> tuple[QWidget, Callable[[], Any], Callable[[Any], None]]:
    box = _CalmComboBox()
    box.addItems([str(choice) for choice in meta["choices"]])
    box.setCurrentText(str(value))
    box.setMinimumWidth(_EDITOR_WIDTH)
    box.currentTextChanged.connect(on_edited)
    return box, box.currentText, lambda new: box.setCurrentText(str(new))


def _whole_number_editor(
    value: int, meta: Any, on_edited: Callable[..., None]
) -> tuple[QWidget, Callable[[], Any], Callable[[Any], None]]:
    box = _CalmSpinBox()
    low, high = meta.get("min"), meta.get("max")
    box.setRange(int(low) if low is not None else -(2**31), int(high) if high is not None else 2**31 - 1)
    if meta.get("automatic") == box.minimum():
        box.setSpecialValueText(tr("automatic"))
    box.setValue(value)
    box.setMinimumWidth(_EDITOR_WIDTH)
    box.valueChanged.connect(on_edited)
    return box, box.value, box.setValue


def _number_editor(
    value: float, meta: Any, on_edited: Callable[..., None]
) -> tuple[QWidget, Callable[[], Any], Callable[[Any], None]]:
    """Numbers are typed as text (`3e-4`, `0,05`): a spin box would cut small rates to two decimals."""
    field, automatic = QLineEdit(), meta.get("automatic")
    field.setMinimumWidth(_EDITOR_WIDTH)
    if automatic is not None:
        field.setPlaceholderText(tr("automatic"))

    def show(new: float) -> None:
        field.setText("" if new == automatic else f"{new:g}")

    def read() -> float:
        typed = field.text().strip().replace(",", ".")
        if not typed:
            return math.nan if automatic is None else float(automatic)
        try:
            return float(typed)
        except ValueError:
            return math.nan

    show(value)
    field.textChanged.connect(on_edited)
    return field, read, show
