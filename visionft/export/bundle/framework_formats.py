"""Write an export's files for frameworks of Python: PyTorch, timm, Hugging Face transformers and PEFT."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from visionft.data.types import Snapshot
from visionft.errors import ExportError
from visionft.events import Progress
from visionft.export.bundle.card.markdown import TIMM_FOLDER
from visionft.export.bundle.timm_folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    measure_transform,
    plain_network,
    write_timm_folder,
)
from visionft.export.bundle.transformers_module import MODULE_FILES, write_module
from visionft.export.contents import PYTORCH_FILE
from visionft.export.distance import Distance
from visionft.export.export_result import Parity, TransformEffect
from visionft.export.options import ExportOptions
from visionft.export.pytorch_comparison import parity_images
from visionft.export.pytorch_file import ImageClassifier, write_compared
from visionft.jobs import JobContext
from visionft.training.base_weights import base_weights_of
from visionft.training.runs.exchange import ADAPTER_FOLDER, complete_exchange
from visionft.training.runs.exchange import CONFIG_FILE as ADAPTER_CONFIG
from visionft.training.runs.run_model import RunModel


@dataclass
class FrameworkForms:
    """The measurements of the files that were written, and the reasons where a requested one is left out."""

    pytorch: Parity | None = None
    timm_transform: TransformEffect | None = None
    left_out: list[str] = field(default_factory=list[str])


def framework_files(options: ExportOptions) -> list[str]:
    """Return the files that an export with these options may have."""
    files = [PYTORCH_FILE] * (options.pytorch or options.huggingface)
    timm = [f"{TIMM_FOLDER}/{CONFIG_FILE}", f"{TIMM_FOLDER}/{WEIGHTS_FILE}", *MODULE_FILES]
    return files + timm * options.huggingface


def write_frameworks(
    model: RunModel,
    images: Snapshot,
    folder: Path,
    options: ExportOptions,
    metadata: Mapping[str, Any],
    distance: Distance | None,
    *,
    embeds: bool,
    job: JobContext,
) -> FrameworkForms:
    """Write the requested files into an export's folder, beside `model.onnx`.

    Where timm cannot build the network, transformers loads `model.pt2` by a module of the export.

    Args:
        model: The run or ensemble.
        images: Of the project; those of the comparison with PyTorch are compared.
        folder: Of the export.
        options: Of the export.
        metadata: Of `model.onnx`.
        distance: The fitted distance of its strongest part.
        embeds: Whether the model has the output `embedding`.
        job: Its progress and cancelling.
    """
    forms, needs_module = FrameworkForms(), False
    decoded = parity_images(model.run, images) if options.pytorch or options.huggingface else []
    temperature = float(metadata["temperature"])
    if options.huggingface:
        try:
            network = plain_network(model, averages_mirror=options.mirror)
            write_timm_folder(folder, network, model.strongest, temperature)
        except ExportError as error:
            forms.left_out.append(error.message)
            shutil.rmtree(folder / TIMM_FOLDER, ignore_errors=True)
            needs_module = True
        else:
            forms.timm_transform = measure_transform(folder, model.strongest, decoded, temperature, images.task)
    if options.pytorch or needs_module:
        job.report(Progress(stage="Writing the PyTorch file", done=0, total=0))
        classifier = ImageClassifier(
            model, temperature, images.task, distance, embeds=embeds, averages_mirror=options.mirror
        )
        try:
            forms.pytorch = write_compared(classifier, folder, metadata, decoded, job=job)
        except ExportError as error:
            forms.left_out.append(error.message)
        else:
            if needs_module:
                write_module(folder, metadata)
    run = model.run
    adapter = run.path / (run.config.method_row.exchange_folder or ".")
    if (adapter / ADAPTER_CONFIG).is_file():
        shutil.copytree(adapter, folder / ADAPTER_FOLDER)
        complete_exchange(folder / ADAPTER_FOLDER, run.class_names, base_weights_of(run))
    return forms
