"""Write the program's icon in the formats of the desktops: `python packaging/make_icons.py FOLDER`.

`visionft.ico` for Windows, `visionft.icns` for macOS, `visionft.png` (512 px) for Linux. The only source is
`resources/icons/visionft.svg`, also drawn by the running window; the generated files are not kept in the repository.
"""

import io
import os
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
MARK = ROOT / "resources" / "icons" / "visionft.svg"
ICO_PX = (16, 20, 24, 32, 40, 48, 64, 128, 256)  # the sizes of Windows at 100 to 200 %
ICNS_PX = (16, 32, 64, 128, 256, 512, 1024)
# Apple's own icons leave this share free on each side; one that fills its square looks too large in the Dock.
MAC_MARGIN = 100 / 1024


def main(folder: Path) -> None:
    """Write all forms into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    images = [mark(size) for size in ICO_PX]
    images[-1].save(folder / "visionft.ico", append_images=images[:-1], sizes=[(px, px) for px in ICO_PX])
    images = [mark(size, margin=MAC_MARGIN) for size in ICNS_PX]
    images[-1].save(folder / "visionft.icns", append_images=images[:-1])
    mark(512).save(folder / "visionft.png", optimize=True)


def mark(size_px: int, *, margin: float = 0.0) -> Image.Image:
    """Return the icon rendered at `size_px`, not scaled down to it, with a transparent `margin` (share of a side)."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QRectF, Qt
    from PySide6.QtGui import QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    image = QImage(size_px, size_px, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    free = size_px * margin
    QSvgRenderer(str(MARK)).render(painter, QRectF(free, free, size_px - 2 * free, size_px - 2 * free))
    painter.end()
    buffer = QBuffer()
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # its stubs ask for bytes, PySide for text
    return Image.open(io.BytesIO(bytes(buffer.data().data()))).convert("RGBA")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
