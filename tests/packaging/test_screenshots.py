"""The README's images can be regenerated from the current pages."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
# The whole run in the window, with a network of no accuracy after a few seconds.
QUICKLY = """
import sys
from pathlib import Path
sys.path.insert(0, "packaging")
import screenshots
from visionft.training.config.train_config import TrainConfig
tiny = TrainConfig(backbone="test_resnet", weights="random", image_size=32, augmentation="none", epochs=2)
screenshots.main(Path(sys.argv[1]), tiny)
"""


@pytest.mark.long
def test_every_page_is_photographed(tmp_path: Path) -> None:
    call = [sys.executable, "-P", "-c", QUICKLY, str(tmp_path)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    pages = ("curate", "export", "label", "project", "results", "train", "try")
    files = sorted(tmp_path.glob("*.png"))
    assert [file.stem for file in files] == list(pages)
    for file in files:
        with Image.open(file) as image:
            assert image.size == (1280, 800)
            assert len(image.convert("RGB").resize((64, 40)).getcolors(64 * 40) or []) > 100
