"""Which exported file answers: an export, and of an export with smaller files which of them, told apart in words."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QWidget

from gui.kit.i18n import tr
from gui.kit.parts import choice_box, row
from visionft.export.contents import MODEL_FILE, read_record
from visionft.export.precision.variants import PRECISIONS, Variant, read_variants, variant_file

_NAMES = (MODEL_FILE, *map(variant_file, PRECISIONS))
_TITLES = {MODEL_FILE: "Full (fp32)", variant_file("fp16"): "Half size (fp16)", variant_file("int8"): "Small (int8)"}
_AS_FAST = 0.05  # of the speed: less is no difference


def exported_models(project_dir: Path) -> list[Path]:
    """Return the exported files of a project, the newest first, smaller ones behind the model that they are of."""
    found = [path for path in (project_dir / "exports").glob(f"*/{MODEL_FILE}") if path.is_file()]
    found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [file for path in found for file in files_beside(path)]


def files_beside(path: Path) -> list[Path]:
    """Return the files of the export that a file is of, the model first; itself where it is of none."""
    if path.name not in _NAMES or not path.with_name(MODEL_FILE).is_file():
        return [path]
    return [each for each in map(path.with_name, _NAMES) if each.is_file()]


def model_title(path: Path) -> str:
    """Return what a file is called in the list: by its folder, and by its own name where it is not the usual one."""
    folder = path.parent.name or path.name
    return folder if path.name == MODEL_FILE else f"{folder} · {path.stem}"


class ModelChoice(QWidget):
    """A box of exports, and beside it one of the files of the export that is chosen, where there are several."""

    changed = Signal()  # another file answers
    chosen = Signal()  # and it was the user who said so

    def __init__(self) -> None:
        super().__init__()
        self._groups: dict[Path, list[Path]] = {}
        self.model_box = choice_box("Exported model", least=18)
        self.model_box.setToolTip(tr("The exported file that answers"))
        self.model_box.setPlaceholderText(tr("No exported model yet"))
        self.file_box = choice_box("File of the export", least=13)
        self.file_box.hide()
        self.setLayout(row(self.model_box, self.file_box))
        self.model_box.currentIndexChanged.connect(lambda _place: self._show_files())
        self.file_box.currentIndexChanged.connect(lambda _place: self.changed.emit())
        for box in (self.model_box, self.file_box):
            box.activated.connect(lambda _place: self.chosen.emit())

    def model(self) -> Path | None:
        """Return the file that answers; None where there is none."""
        return self.file_box.currentData()

    def has_models(self) -> bool:
        """Tell whether there is any to choose."""
        return self.model_box.count() > 0

    def offer(self, models: Iterable[Path]) -> None:
        """Offer these files, keeping those that were opened by hand and are still there, and the chosen one."""
        before, offered = self.model(), list(models)
        known = [path for group in self._groups.values() for path in group]
        self._groups = {}
        for path in (*offered, *(each for each in known if each not in offered and each.is_file())):
            self._add(path)
        self._show(before)

    def take(self, path: Path) -> None:
        """Offer an exported file that lies anywhere, with those beside it, and choose it."""
        for each in files_beside(path):
            self._add(each)
        self._show(path)

    def words(self) -> str:
        """Return what tells the chosen file from the others of its export; empty where it is alone."""
        path = self.model()
        return difference_words(path) if path is not None and self.file_box.count() > 1 else ""

    def _add(self, path: Path) -> None:
        group = self._groups.setdefault(files_beside(path)[0], [])
        if path not in group:
            group.append(path)

    def _show(self, chosen: Path | None) -> None:
        """Fill the boxes; what is chosen stays, or the first is."""
        first = next((key for key, group in self._groups.items() if chosen in group), next(iter(self._groups), None))
        _fill(self.model_box, {key: model_title(key) for key in self._groups}, first)
        self.model_box.setEnabled(self.has_models())
        self._show_files(chosen)

    def _show_files(self, chosen: Path | None = None) -> None:
        files: Sequence[Path] = self._groups.get(self.model_box.currentData(), ())
        titles = {path: tr(_TITLES.get(path.name, path.stem)) for path in files}
        _fill(self.file_box, titles, chosen if chosen in files else next(iter(files), None))
        self.file_box.setVisible(len(files) > 1)
        self.changed.emit()


def _fill(box: QComboBox, titles: dict[Path, str], chosen: Path | None) -> None:
    """Put files into a box without telling; `changed` is told once by who calls."""
    box.blockSignals(True)
    box.clear()
    for path, title in titles.items():
        box.addItem(title, path)
        box.setItemData(box.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
    box.setCurrentIndex(list(titles).index(chosen) if chosen in titles else -1)  # `findData` wants the same object
    box.blockSignals(False)


def difference_words(path: Path) -> str:
    """Return how a file of an export differs from `model.onnx` beside it, by its record; empty for what that lacks."""
    if path.name == MODEL_FILE:
        return tr("The full file. The smaller ones beside it were judged by its answers.")
    try:
        variants = read_variants(read_record(path.parent) or {}, path.parent)
    except (KeyError, TypeError, ValueError):
        return ""
    found = next((each for each in variants if each.file == path.name), None)
    return _words(found) if found is not None else ""


def _words(variant: Variant) -> str:
    said = [tr("{share} of the size of the full file", share=f"{variant.bytes / variant.reference_bytes:.0%}")]
    if variant.speed is not None:
        said.append(_speed_words(variant.speed.times_faster))
    answers = variant.answers
    words = tr("another answer for {n} of {total} validation pictures", n=answers.flips, total=f"{answers.pictures:,}")
    points = f"{100 * abs(answers.loss):.1f}"
    if float(points) == 0:
        right = tr("right as often")
    elif answers.loss > 0:
        right = tr("right in {n} points fewer", n=points)
    else:
        right = tr("right in {n} points more", n=points)
    return f"{'; '.join((*said, words, right))}."


def _speed_words(times_faster: float) -> str:
    if abs(times_faster - 1) < _AS_FAST:
        return tr("as fast")
    if times_faster > 1:
        return tr("{n} times as fast", n=f"{times_faster:.1f}")
    return tr("slower: {n} times the time", n=f"{1 / times_faster:.1f}")
