"""A run in a project, and an export of it: a working model file and a true record of the files beside it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from visionft.core.files import sha256_file
from visionft.export.contents import list_contents
from visionft.training.config.train_config import TrainConfig

RUN = "001-resnet18-lora"


def _write_export(folder: Path, write_model: Callable[..., Path]) -> Path:
    model = write_model(folder / "model.onnx")
    write_model(folder / "model_int8.onnx")
    (folder / "README.md").write_text("# Birds\n")
    (folder / "samples").mkdir()
    (folder / "samples" / "page.html").write_text("<p>")
    size = {"width": 48, "height": 40}
    latency = {"median_ms": 2.0, "p95_ms": 3.0, "runs": 9, "provider": "CPUExecutionProvider", **size}
    record = {
        "bytes": model.stat().st_size,
        "sha256": sha256_file(model),
        "temperature": 1.0,
        "opset": 20,
        "parity": {"images": 3, "max_abs_diff": 0.0, "top1_agreement": 1.0, "batches": [1]},
        "latency": latency,
        "files": list_contents(folder),
    }
    (folder / "export.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def exported(project_dir: Path, write_run, write_model: Callable[..., Path]) -> Path:
    """Return the folder of an export of a run of a project."""
    write_run(project_dir, RUN, TrainConfig(backbone="resnet18"), accuracies=[1.0])
    return _write_export(project_dir / "exports" / RUN, write_model)


@pytest.fixture
def shown(exported: Path, open_page):
    """Return the export page with this export in view."""
    return open_page("export")
