"""The README's images can be regenerated from the current pages."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = ("curate", "export", "label", "project", "results", "train", "try")
# The whole run in the window, with a network of no accuracy after a few seconds.
QUICKLY = """
import sys
from pathlib import Path
sys.path.insert(0, "packaging")
import screenshots, screenshot_readme
from visionft.training.config.train_config import TrainConfig
tiny = TrainConfig(backbone="test_resnet", weights="random", image_size=32, augmentation="none", epochs=2)
screenshot_readme.settings_of = lambda _session: tiny
screenshots.main_readme(Path(sys.argv[1]))
"""


@pytest.mark.long
def test_the_readme_images_are_made_and_no_page_lacks_what_they_show(tmp_path: Path) -> None:
    call = [sys.executable, "-P", "-c", QUICKLY, str(tmp_path)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "Left out" not in done.stderr
    for page in PAGES:
        with Image.open(tmp_path / f"{page}.png") as image:
            assert image.size == (1280, 800)
            assert len(image.convert("RGB").resize((64, 40)).getcolors(64 * 40) or []) > 100
