"""Lists the truncated texts in all scenes of the screenshots: `python packaging/layout_check.py SCALE LANGUAGE`.

SCALE is the size of the text (1.0, 1.5), LANGUAGE a code, or `pseudo` for words 40 % longer. The window has the size of
a small screen, 853 x 533 (1280 x 800 at 150 %); with larger text or longer words 1280 x 800. Prints one line per
truncated text, and at the end the number of checked scenes.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
for place in (ROOT / "packaging", ROOT):
    sys.path.insert(0, str(place))
# ruff: noqa: E402

import screenshots
from cut_texts import cut_texts
from studio import Studio, temporary_home

from gui.kit import translation
from gui.preferences import Settings


def main(scale: float, language: str) -> None:
    """Pose each scene in a small window and print the truncated texts."""
    size = (853, 533) if scale == 1 and language != translation.PSEUDO else (1280, 800)
    with temporary_home() as home:
        translation.use_language(language)
        studio = Studio(home / "studio", settings=Settings(theme="light", font_scale=scale, language=language))
        for scene, pose in screenshots.SCENES.items():
            pose(studio)
            studio.settle(*size)
            if (studio.state.settings.font_scale, studio.state.settings.language) != (scale, language):
                print(f"{scene}: it is looked at in other words or at another size than was asked for")
            if studio.window.size().toTuple() != size:
                print(f"{scene}: the window grows to {studio.window.size().toTuple()}")
            for root in (studio.window, *studio.dialogs()):
                print(*(f"{scene}: {line}\n" for line in cut_texts(root)), sep="", end="")
        studio.close()
        print(f"{len(screenshots.SCENES)} scenes")


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2])
