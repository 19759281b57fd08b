"""The window starts without a learning library, and shows before the modules of projects are loaded."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORY = """
import sys, time
began = time.perf_counter()
from gui.app import create_application, create_window
from gui.state import AppState
app = create_application()
state = AppState()
window = create_window(app, state)
window.show()
app.processEvents()
shown = time.perf_counter() - began
later = {"numpy", "PIL", "gui.session", "visionft.project.store", "visionft.project.formats.registry",
         "visionft.training.config.train_config", "gui.home.import_preview", "importlib.metadata"}
early = sorted(later & set(sys.modules))
while len(window._pages) < len(window.entries):
    window.build_pages_when_idle()
for name in window.entries:
    window.show_page(name)
    app.processEvents()
window.close()
heavy = {"torch", "timm", "peft", "accelerate", "onnx", "onnxruntime", "transformers", "albumentations", "cv2"}
print(sorted(heavy & set(sys.modules)), early, shown)
"""


def test_the_window_loads_no_project_and_its_pages_no_learning_library():
    done = subprocess.run(
        [sys.executable, "-c", STORY], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[] [] ")
