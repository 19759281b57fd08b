"""The choice of the exported model: a box of exports, and a box of the variants of the chosen export."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from gui.kit.parts import choice_box, row
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.export.contents import MODEL_FILE, read_record
from visionft.export.export_result import variant_file

_TITLES = {
    MODEL_FILE: Message("Full (fp32)"),
    variant_file("fp16"): Message("Half size (fp16)"),
    variant_file("int8"): Message("Small (int8)"),
}


def exported_models(project_dir: Path) -> list[Path]:
    """Return the exported files of a project, the newest first, variants after their model."""
    found = [path for path in (project_dir / "exports").glob(f"*/{MODEL_FILE}") if path.is_file()]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [file for path in found for file in files_beside(path)]


def files_beside(path: Path) -> list[Path]:
    """Return all files of the export of a file, the model first; only the file itself outside an export."""
    if path.name not in _TITLES or not path.with_name(MODEL_FILE).is_file():
        return [path]
    return [each for each in map(path.with_name, _TITLES) if each.is_file()]


class ModelChoice(QWidget):
    """A box of exports, and beside it a box of the files of the chosen export, where there are several."""

    changed = Signal()  # another file was selected
    chosen = Signal()  # another file was selected by the user

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[Path, list[Path]] = {}
        self.model_box = choice_box("Exported model", min_chars=18)
        self.model_box.setToolTip(tr("The exported model to use"))
        self.model_box.setPlaceholderText(tr("No exported model yet"))
        self.file_box = choice_box("File of the export", min_chars=13)
        self.file_box.hide()
        self.setLayout(row(self.model_box, self.file_box))
        self.model_box.currentIndexChanged.connect(lambda _place: self._show_files())
        self.file_box.currentIndexChanged.connect(lambda _place: self.changed.emit())
        for box in (self.model_box, self.file_box):
            box.activated.connect(lambda _place: self.chosen.emit())

    def model(self) -> Path | None:
        return self.file_box.currentData()

    def offer(self, models: Iterable[Path]) -> None:
        """Offer these files, keeping existing files opened by hand, and the selection."""
        before = self.model()
        offered = list(models)
        known = [path for group in self._groups.values() for path in group]
        self._groups = {}
        for path in (*offered, *(each for each in known if each not in offered and each.is_file())):
            self._add(path)
        self._show(before)

    def take(self, path: Path) -> None:
        """Offer an exported file from any folder, with the other files of its export, and select it."""
        for each in files_beside(path):
            self._add(each)
        self._show(path)

    def _add(self, path: Path) -> None:
        group = self._groups.setdefault(files_beside(path)[0], [])
        if path not in group:
            group.append(path)

    def _show(self, chosen: Path | None) -> None:
        """Fill the boxes; the selection stays, else the first item is selected."""
        first = next((key for key, group in self._groups.items() if chosen in group), next(iter(self._groups), None))
        _fill(self.model_box, _titles(self._groups), first)
        self.model_box.setEnabled(bool(self._groups))
        self._show_files(chosen)

    def _show_files(self, chosen: Path | None = None) -> None:
        files: Sequence[Path] = self._groups.get(self.model_box.currentData(), ())
        titles = {path: tr(_TITLES.get(path.name, path.stem)) for path in files}
        _fill(self.file_box, titles, chosen if chosen in files else next(iter(files), None))
        self.file_box.setVisible(len(files) > 1)
        self.changed.emit()


def _titles(models: Collection[Path]) -> dict[Path, str]:
    """Return the title of each model in its record, with its folder where several have one, or the folder and file."""
    recorded = {path: (read_record(path.parent) or {}).get("title") for path in models if path.name == MODEL_FILE}
    counts = Counter(map(str, recorded.values()))
    titles = dict[Path, str]()
    for path in models:
        folder = path.parent.name or path.name
        title = recorded.get(path)
        if isinstance(title, str) and title.strip():
            titles[path] = title if counts[title] == 1 else f"{title} · {folder}"
        else:
            titles[path] = folder if path.name == MODEL_FILE else f"{folder} · {path.stem}"
    return titles


def _fill(box: QComboBox, titles: dict[Path, str], chosen: Path | None) -> None:
    """Fill a box without signals; the caller emits `changed` once."""
    box.blockSignals(True)
    box.clear()
    for path, title in titles.items():
        box.addItem(title, path)
        box.setItemData(box.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
    box.setCurrentIndex(list(titles).index(chosen) if chosen in titles else -1)  # `findData` compares by identity
    box.blockSignals(False)
