"""The outcome of an export: the verdict of the comparison with PyTorch, and the file. Knows Qt and plain data only."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout

from gui import theme
from gui.widgets.parts import Button, Card, ElidedLabel, IconLabel, column, row, text

MAX_DIFFERENCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """What an export measured: the same pictures through PyTorch and through ONNX Runtime."""

    model: Path
    bytes: int
    images: int
    max_abs_diff: float
    top1_agreement: float


class ParityCard(Card):
    """A verdict first, then the figures behind it, then the file."""

    folder_chosen = Signal(Path)

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.LARGE)
        self._verdict = text("", "title", wrap=True)
        self._meaning = text("", "muted", wrap=True)
        self._figures = {name: text("", "number") for name in ("agreement", "difference", "images", "size")}
        self._file = ElidedLabel("", "strong")
        self.open_button = Button("Open folder", "folder-open", role="primary", on_click=self._open)
        self._folder = Path()
        head = row(
            IconLabel("shield", size=36, tone="good"),
            column(self._verdict, self._meaning, spacing=theme.HAIR),
            spacing=theme.LARGE,
        )
        head.setStretch(1, 1)
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.HUGE)
        grid.setVerticalSpacing(theme.HAIR)
        captions = {
            "agreement": ("Same top class", "share of the pictures"),
            "difference": ("Largest difference", f"of a probability; the limit is {MAX_DIFFERENCE:g}"),
            "images": ("Pictures compared", "from the validation split"),
            "size": ("File size", "one self-contained file"),
        }
        for place, (name, (caption, note)) in enumerate(captions.items()):
            grid.addWidget(text(caption, "caption"), 0, place)
            grid.addWidget(self._figures[name], 1, place)
            grid.addWidget(text(note, "small", wrap=True), 2, place)
            grid.setColumnStretch(place, 1)
        foot = row(IconLabel("file", tone="muted"), self._file, self.open_button, spacing=theme.MEDIUM)
        foot.setStretch(1, 1)
        self.body.addLayout(head)
        self.body.addLayout(grid)
        self.body.addLayout(foot)
        self.hide()

    def show_parity(self, parity: Parity) -> None:
        """Show the outcome of an export; the engine has refused it already when it did not hold."""
        self._verdict.setText("Verified: the file answers like the trained model")
        self._meaning.setText(
            f"{parity.images:,} pictures went through PyTorch and through ONNX Runtime and were compared."
        )
        self._figures["agreement"].setText(f"{parity.top1_agreement:.1%}")
        self._figures["difference"].setText(f"{parity.max_abs_diff:.1e}")
        self._figures["images"].setText(f"{parity.images:,}")
        self._figures["size"].setText(megabytes(parity.bytes))
        self._file.setText(str(parity.model))
        self._folder = parity.model.parent
        self.show()

    def _open(self) -> None:
        self.folder_chosen.emit(self._folder)


def megabytes(size: int) -> str:
    """Return a file size for people."""
    if size < 1_000_000:
        return f"{size / 1000:.0f} KB"
    return f"{size / 1_000_000:.1f} MB"
