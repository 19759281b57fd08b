"""No image passes a frozen network twice: counted through the first convolution, from import to suggestions."""

import contextlib
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import visionft
from visionft.core.errors import VisionFTError

QUIET: dict[str, Any] = {"callback": lambda _event: None}


@contextlib.contextmanager
def counted_passes() -> Iterator[Counter[int]]:
    """Count the images that pass a convolution of three channels, by the height of the input."""
    found = Counter[int]()

    def count(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        is_traced = torch.compiler.is_compiling()  # reading a size would fix it in the exported graph
        if isinstance(module, nn.Conv2d) and module.in_channels == 3 and not is_traced:
            found[inputs[0].shape[2]] += len(inputs[0])

    handle = nn.modules.module.register_module_forward_pre_hook(count)
    try:
        yield found
    finally:
        handle.remove()


@pytest.fixture
def source(tmp_path: Path, image_folder: Path) -> Path:
    return Path(shutil.copytree(image_folder, tmp_path / "images"))


@pytest.mark.slow
def test_from_import_to_suggestions_each_image_passes_once(source: Path, tmp_path: Path) -> None:
    with visionft.create(tmp_path / "project") as project, counted_passes() as passes:
        project.add(source, **QUIET)
        count = len(project.images["path"])
        run = project.train("quick", framing="centre", device="cpu", **QUIET)
        labelled = len(project.snapshot().labelled("train")) + len(project.snapshot().labelled("val"))
        mirrored = labelled  # a solved head learns from so few images mirrored, too
        assert passes.total() <= count + mirrored
        before = passes.total()
        run.evaluate("test", **QUIET)
        assert passes.total() - before <= count - labelled
        before = passes.total()
        run.export(tmp_path / "model", **QUIET)
        compared = passes.total() - before  # with the file, in PyTorch: once, and in two batches
        assert compared <= 2 * (len(project.snapshot().labelled("val")) + 9) + 1
        before = passes.total()
        project.check("label-errors", **QUIET)
        project.suggest(**QUIET)
        assert passes.total() == before


def test_twenty_images_are_enough_and_one_label_or_one_class_is_refused_with_a_hint(
    source: Path, tmp_path: Path
) -> None:
    few = tmp_path / "few"
    for name in ("red", "blue"):
        (few / name).mkdir(parents=True)
        for image in sorted((source / name).iterdir())[:10]:
            shutil.copy(image, few / name)
    with visionft.create(tmp_path / "project") as project:
        project.add(few, **QUIET)
        run = project.train("quick", device="cpu", **QUIET)
        assert run.evaluate("val", **QUIET).images > 0
    for labelled in (10, 1):
        with visionft.create(tmp_path / f"{labelled} of one class") as project:
            project.add(few, without_labels=True, **QUIET)
            project.label(sorted((few / "red").iterdir())[:labelled], "red")
            with pytest.raises(VisionFTError) as caught:
                project.train("quick", device="cpu", **QUIET)
            assert caught.value.hint or caught.value.next_step
