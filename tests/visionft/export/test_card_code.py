"""The code of a model card, run as it is printed in the export's folder, with nothing of this program."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from visionft.data.types import Snapshot
from visionft.export import network_folders
from visionft.export.exporter import export_run
from visionft.export.options import ExportOptions
from visionft.export.predictor import Prediction, Predictor
from visionft.export.verifying import verify_export

pytestmark = pytest.mark.slow
SIZES = {"square": (100, 100), "landscape": (640, 480), "portrait": (90, 200)}
# Each block in a process that cannot import this program: its output by image.
DRIVER = """
import contextlib, io, json, shutil, sys
sys.modules.update(dict.fromkeys(("visionft", "models", "resources", "gui")))
blocks, said = json.load(sys.stdin), []
for block in blocks:
    said.append({})
    for image in sys.argv[1:]:
        shutil.copy(image, "image.jpg")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(block, {"__name__": "__main__"})
        said[-1][image] = out.getvalue()
print(json.dumps(said))
"""
PRETRAINED = {"weights": "pretrained", "method": "lora", "epochs": 2}
KINDS: dict[str, dict[str, Any]] = {
    "multi-stage LoRA": {**PRETRAINED, "backbone": "efficientnet_lite2_in1k", "lora.layers": "joined"},
    "LoRA of a hybrid ViT": {**PRETRAINED, "backbone": "hybrid_vit"},
    "several labels": {"backbone": "test_resnet", "method": "full", "full.layers": "joined"},
    "timm": {"backbone": "test_resnet", "method": "lora"},
}


@pytest.fixture(scope="module")
def made(trained, snapshot: Snapshot, several: Snapshot, tmp_path_factory):
    """Return a function: a kind of model -> its export for PyTorch, made once."""
    folders: dict[str, Path] = {}

    def export(kind: str) -> Path:
        if kind not in folders:
            place = tmp_path_factory.mktemp("card")
            images = several if kind == "several labels" else snapshot
            run = trained(images, place / "001-run", **KINDS[kind])
            options = ExportOptions.for_target("python")
            folders[kind] = export_run(run, images, place / "out", options=options).model.parent
        return folders[kind]

    return export


def blocks_of(folder: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def photograph(path: Path, size: tuple[int, int]) -> Path:
    Image.effect_noise(size, 60).convert("RGB").resize(size).save(path, quality=95)
    return path


def answered(prediction: Prediction, thresholds: list[float] | None, names: list[str]) -> dict[str, float]:
    """Return what a block prints: the best class, or those from their thresholds on."""
    shares = dict(prediction.top5)
    if thresholds is None:
        return {prediction.class_name: shares[prediction.class_name]}
    return {name: shares[name] for name, least in zip(names, thresholds, strict=True) if shares[name] >= least}


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_the_card_answers_as_the_model(kind: str, made, tmp_path: Path) -> None:
    folder, images = made(kind), [photograph(tmp_path / f"{name}.jpg", size) for name, size in SIZES.items()]
    blocks = [block for block in blocks_of(folder) if "print(" in block]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, *map(str, images)],
        input=json.dumps(blocks),
        capture_output=True,
        encoding="utf-8",
        cwd=folder,
        env=plain | {"HF_HUB_OFFLINE": "1"},
        timeout=600,
        check=False,
    )
    (folder / "image.jpg").unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    predictor = Predictor(folder, device="cpu")
    expected = {str(each.path): each for each in predictor.predict(images)}
    for block, outputs in zip(blocks, json.loads(done.stdout.splitlines()[-1]), strict=True):
        for image, printed in outputs.items():
            found = {name: float(share) for name, share in (line.rsplit(" ", 1) for line in printed.splitlines())}
            wanted = answered(expected[image], predictor.thresholds, list(predictor.class_names))
            assert found == pytest.approx(wanted, abs=1e-3), block
    has = {name for name in ("huggingface", "pytorch", "adapter") if (folder / name).is_dir()}
    assert has == {"huggingface" if kind == "timm" else "pytorch", *["adapter"] * ("LoRA" in kind or kind == "timm")}
    assert sum(f"{name}.classifier" in block for block in blocks for name in has) == len(has - {"huggingface"})
    assert len(blocks) == 1 + len(has - {"huggingface"})
    assert verify_export(folder).is_whole
    modes = {path.stat().st_mode for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert len(modes) == 1  # those of any other new file


def loaded(folder: Path) -> Any:
    return runpy.run_path(str(folder / "classifier.py"))["load_classifier"](folder)


@pytest.mark.parametrize("kind", ["multi-stage LoRA", "several labels"])
def test_every_parameter_of_the_folder_can_be_trained(kind: str, made) -> None:
    model = loaded(made(kind) / "pytorch")
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(each.requires_grad for each in model.parameters())


def test_peft_trains_the_updates_and_the_head_alone(made) -> None:
    model = loaded(made("multi-stage LoRA") / "adapter")
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert {"head.weight", "head.bias"} < set(trained)
    assert all(name.startswith("head.") or ".lora_" in name for name in trained)
    about = json.loads((made("multi-stage LoRA") / "adapter" / "adapter_config.json").read_text())
    assert about["base_model_name_or_path"] is None and not about["modules_to_save"]


def test_a_folder_that_differs_from_the_run_is_left_out_with_the_reason(
    run_of, snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_folders, "MAX_LOGIT_DIFF", -1.0)
    result = export_run(
        run_of("test_resnet", "linear"), snapshot, tmp_path / "out", options=ExportOptions.for_target(huggingface=True)
    )
    assert not (tmp_path / "out" / "pytorch").exists() and "pytorch" in result.left_out[-1]
    assert not [name for name in result.files if name.startswith("pytorch/")]
