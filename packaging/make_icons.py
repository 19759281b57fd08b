"""Write the program's mark in the forms that desktops ask for: `python packaging/make_icons.py FOLDER`.

`visionft.ico` for Windows, `visionft.icns` for macOS, `visionft.png` (512 px) for Linux. The one source is
`resources/icons/visionft.svg`, which the running window draws; nothing made here is kept in the repository.
"""

import io
import os
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
MARK = ROOT / "resources" / "icons" / "visionft.svg"
ICO_PX = (16, 20, 24, 32, 40, 48, 64, 128, 256)  # what Windows shows at 100 to 200 %
ICNS_PX = (16, 32, 64, 128, 256, 512, 1024)
# Apple's own icons leave this share free on each side; one that fills its square looks too large in the Dock.
MAC_MARGIN = 100 / 1024


def main(folder: Path) -> None:
    """Write all forms into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [mark(size) for size in ICO_PX]
    pictures[-1].save(folder / "visionft.ico", append_images=pictures[:-1], sizes=[(px, px) for px in ICO_PX])
    pictures = [mark(size, margin=MAC_MARGIN) for size in ICNS_PX]
    pictures[-1].save(folder / "visionft.icns", append_images=pictures[:-1])
    mark(512).save(folder / "visionft.png", optimize=True)


def mark(size_px: int, *, margin: float = 0.0) -> Image.Image:
    """Return the mark drawn at `size_px`, not scaled down to it, with a transparent `margin` (share of a side)."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QRectF, Qt
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    picture = QImage(size_px, size_px, QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    free = size_px * margin
    QSvgRenderer(str(MARK)).render(painter, QRectF(free, free, size_px - 2 * free, size_px - 2 * free))
    painter.end()
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    picture.save(buffer, "PNG")  # type: ignore[call-overload]  # its stubs ask for bytes, PySide for text
    return Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGBA")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
