"""Write the folders from which a network can be trained further: `huggingface/` or `pytorch/`, and `adapter/` of LoRA.

`huggingface/` (`timm_folder`) is what timm alone can build. Any other network with a linear head gets `pytorch/`: its
state under timm's own names, the head, a configuration, and one readable file that loads them with timm and torch
(`resources/pytorch/classifier.py`, published byte for byte). `adapter/` is the same folder with the weights from before
the training, and the trained updates in PEFT's format.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

import resources
import visionft
from models.messages import Message
from models.methods.layers.joined import JoinedNetwork
from models.networks import build_network
from models.tensor_files import usual_permissions
from visionft.errors import ExportError
from visionft.export.bundle.timm_folder import (
    MAX_LOGIT_DIFF,
    model_args,
    plain_network,
    write_timm_folder,
)
from visionft.export.contents import CLASSIFIER_FILE, PYTORCH_FOLDER, TIMM_FOLDER
from visionft.files import read_json, write_json
from visionft.training.base_weights import base_weights_of
from visionft.training.runs.run_folder import BaseWeights
from visionft.training.runs.run_model import RunModel
from visionft.weights.records import bare_origin

if TYPE_CHECKING:
    from visionft.export.exporter import Export

ADAPTER_FOLDER, ADAPTER_CONFIG = "adapter", "adapter_config.json"  # what PEFT reads
CONFIG_FILE, NETWORK_FILE, HEAD_FILE = "config.json", "network.safetensors", "head.safetensors"
_SOURCE = Path(resources.__file__).parent / "pytorch" / CLASSIFIER_FILE


def write_network_folders(export: "Export") -> None:
    """Write the network for timm; where timm alone cannot build it, for PyTorch.

    What this run cannot have is left out with the reason.
    """
    folder, model = export.folder, export.model
    try:
        network = plain_network(model)
        write_timm_folder(folder, network, model.strongest, export.metadata)
    except ExportError as error:
        export.leave_out(error.message)
        shutil.rmtree(folder / TIMM_FOLDER, ignore_errors=True)
        _write_pytorch_folder(export)
    _write_adapter(export)


def _write_pytorch_folder(export: "Export") -> None:
    """Write `pytorch/` of a single network with a linear head and no layers of a method; of others there is none."""
    model = export.model
    if model.is_combined:
        return
    network: Any = model.strongest.classifier.merged()
    body = getattr(network, "body", network)
    if isinstance(network.get_classifier(), nn.Linear) and set(body.state_dict()) == _timm_names(model, network):
        _write_compared(export, export.folder / PYTORCH_FOLDER, network, body.state_dict())


def _write_adapter(export: "Export") -> None:
    """Write `adapter/` of a run whose method has a format of PEFT: its updates, and what they are updates of."""
    model = export.model
    run = model.run
    method, backbone = run.config.method_row, run.config.backbone_row
    if model.is_combined:
        return
    network = model.strongest.classifier.network
    body = getattr(network, "body", network)
    target = export.folder / ADAPTER_FOLDER
    target.mkdir()
    method.save_exchange(body, target, backbone=backbone, options=run.config.method_options)
    if not (target / ADAPTER_CONFIG).is_file():  # the method has none
        target.rmdir()
        return
    _complete_adapter(target / ADAPTER_CONFIG, run.class_names, base_weights_of(run))
    # PEFT names the layer below an update so.
    state = {name.replace(".base_layer.", "."): value for name, value in body.state_dict().items()}
    names = _timm_names(model, network)
    _write_compared(export, target, network, {name: state[name] for name in state if name in names})


def _complete_adapter(file: Path, class_names: Sequence[str], weights: BaseWeights | None) -> None:
    """Add the classes and the base weights to PEFT's configuration, beside how the network is built.

    They are in `auto_mapping`, as PEFT drops unknown keys at the top level.
    """
    config: dict[str, Any] = read_json(file)
    about = {**(config.get("auto_mapping") or {}), "class_names": list(class_names)}
    if weights is not None:
        named = {name: getattr(weights, name) for name in ("file", "sha256", "origin", "revision", "licence")}
        about["base_weights"] = named | {"origin": bare_origin(weights.origin)}
    write_json(file, config | {"auto_mapping": about})


def _timm_names(model: RunModel, network: Any) -> set[str]:
    """Return the names in the state of the network that timm builds, without the head of a `JoinedNetwork`."""
    config = model.run.config
    classes = 0 if isinstance(network, JoinedNetwork) else len(model.run.class_names)
    with torch.device("meta"):
        return set(build_network(config.backbone_row, classes=classes, shape=config.input_shape).state_dict())


@torch.no_grad()
def _write_compared(export: "Export", target: Path, network: Any, state: Mapping[str, Tensor]) -> None:
    """Write a network into a folder, load it from there and compare it; it is left out where it differs."""
    from safetensors.torch import save_file

    from resources.pytorch.classifier import load_classifier

    loaded = export.model.strongest
    target.mkdir(exist_ok=True)
    parts = {NETWORK_FILE: state}
    if isinstance(network, JoinedNetwork):
        parts[HEAD_FILE] = network.get_classifier().state_dict()
    for name, values in parts.items():
        with usual_permissions(target / name):
            plain = {key: value.detach().cpu().contiguous().clone() for key, value in values.items()}
            save_file(plain, target / name, metadata={"format": "pt"})
    write_json(target / CONFIG_FILE, _config(export, network))
    (target / CLASSIFIER_FILE).write_bytes(_SOURCE.read_bytes())
    shape = (4, 3, *loaded.preprocessing.shape)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    expected = loaded.classifier.eval()(images)
    difference = float((load_classifier(target).eval()(images) - expected).abs().max())
    if not difference <= MAX_LOGIT_DIFF * max(1.0, float(expected.abs().max())):
        shutil.rmtree(target)
        words = Message("{folder} differs from the run by {difference} in a logit.", folder=target.name)
        export.leave_out(Message(words, difference=f"{difference:.2g}"))


def _config(export: "Export", network: Any) -> dict[str, Any]:
    """Return the configuration that `resources/pytorch/classifier.py` reads."""
    loaded, metadata = export.model.strongest, export.metadata
    backbone, steps = loaded.classifier.backbone, loaded.preprocessing
    head = None
    if isinstance(network, JoinedNetwork):
        classifier: Any = network.get_classifier()
        inputs = classifier.in_features
        head = {
            "inputs": inputs,
            "stages": list(backbone.shape.joined_depths) if inputs > backbone.features else [],
            "norm": backbone.shape.has_tokens,
            "square_root": backbone.shape.has_rooted_stages,
        }
    names = ("height", "width", "region", "crop_share", "interpolation", "mean", "std")
    return {
        "network": {
            "architecture": backbone.architecture,
            "arguments": model_args(loaded),
            "embedding": dict(backbone.embedding),
        },
        "head": head,
        "class_names": list(loaded.run.class_names),
        "task": metadata["task"],
        "temperature": float(metadata["temperature"]),
        "thresholds": metadata.get("thresholds"),
        "preprocessing": {name: getattr(steps, name) for name in names},
        "license": metadata["license"],
        "visionft": visionft.__version__,
    }
