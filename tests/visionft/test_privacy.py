"""Libraries keep quiet: none leaves a mark of its own in the user's home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from visionft.export.sample_programs import PYTHON

SESSION = "from visionft.core.doctor import provider_works; assert provider_works('CPUExecutionProvider')"


@pytest.mark.slow
@pytest.mark.parametrize("asked_for", [None, "0"])
def test_onnx_runtime_writes_no_device_id(tmp_path: Path, asked_for: str | None) -> None:
    left = files_of_home(tmp_path, "-c", SESSION, asked_for=asked_for)
    assert left == []


def test_the_script_beside_a_model_leaves_none_either(tmp_path: Path) -> None:
    script = tmp_path / "predict.py"
    script.write_bytes(PYTHON.content)
    assert files_of_home(tmp_path, str(script), "image.png", missing="model.onnx") == []


def files_of_home(tmp_path: Path, *arguments: str, asked_for: str | None = None, missing: str = "") -> list[Path]:
    """Run Python with an empty home and return its leftover files about a device, or of a database.

    With `missing` it ends with an error that names this file.
    """
    home = tmp_path / "home"
    home.mkdir()
    dropped = ("ORT_", "XDG_", "PYTHON")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    env |= {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home)}
    env |= {} if asked_for is None else {"ORT_DISABLE_TELEMETRY": asked_for}
    done = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert missing in done.stderr and (done.returncode == 0) == (not missing), done.stderr
    return [path for path in home.rglob("*") if "Microsoft" in path.parts or "onnx" in path.name]
