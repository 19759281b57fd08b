"""Write the folders from which a network can be trained further: `huggingface/` or `pytorch/`, and `adapter/` of LoRA.

`huggingface/` holds `config.json` and `model.safetensors` in the format of timm and the Hugging Face hub:
`timm.create_model("local-dir:FOLDER", pretrained=True)` builds a network with equal logits. timm can build plain
networks only: a linear head on the embedding, and no layers of a method after merging.

Any other network with a linear head gets `pytorch/`: its state under timm's own names, the head, a configuration, and
one readable file that loads them with timm and torch (`resources/pytorch/classifier.py`, published byte for byte).
`adapter/` is the same folder with the weights from before the training, and the trained updates in PEFT's format.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

import resources
import visionft
from models.methods.layers import JoinedNetwork
from models.networks import build_network
from models.weights.records import bare_origin
from visionft.core.errors import ExportError
from visionft.core.files import read_json, umask_permissions, write_json
from visionft.core.messages import Message
from visionft.export.contents import CLASSIFIER_FILE, PYTORCH_FOLDER, TIMM_FOLDER
from visionft.export.export_result import ExportResult
from visionft.export.prepared import PreparedRun
from visionft.training.base_weights import base_weights_of
from visionft.training.runs.run_folder import BaseWeights
from visionft.training.runs.run_model import RunModel

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MAX_LOGIT_DIFF = 1e-3


def plain_network(model: RunModel) -> nn.Module:
    """Return a run's network as a plain timm network with a linear head, in evaluation mode.

    A head on the embedding alone moves back into its network, which is exact. A ResNet's features go through a square
    root before the head (`models.methods.layers`); timm has no such operation.

    Raises:
        ExportError: It is no such network, with the reason.
    """
    import timm

    title, loaded = model.run.title, model.strongest
    backbone = loaded.classifier.backbone
    if model.is_combined:
        raise _refused(title, "it is several networks, and timm's folder holds one")
    if backbone.embedding:
        raise _refused(title, "timm cannot be told by a file how a hybrid ViT makes its patches")
    network = loaded.classifier.merged()
    head = network.get_classifier()  # type: ignore[operator]
    if not isinstance(head, nn.Linear):
        raise _refused(title, Message("its head is a {name}, and timm's is one linear layer", name=type(head).__name__))
    if isinstance(network, JoinedNetwork):
        if head.in_features != backbone.features or backbone.shape.has_rooted_stages:
            raise _refused(title, "its head sees more than the last stage, which timm's cannot")
        body: Any = network.body
        body.reset_classifier(head.out_features)
        body.get_classifier().load_state_dict(head.state_dict())
        network = body
    classes = len(loaded.run.class_names)
    plain = timm.create_model(backbone.architecture, pretrained=False, num_classes=classes, **model_args(loaded))
    if odd := sorted(set(network.state_dict()) ^ set(plain.state_dict())):
        raise _refused(title, Message("its method has layers that timm's network lacks, such as {odd}", odd=odd[0]))
    return network.eval()


def _refused(title: str, reason: str) -> ExportError:
    message = Message("{title} cannot be written for timm: {reason}.", title=title, reason=reason)
    return ExportError(message, "The ONNX file holds it all.")


def model_args(loaded: RunModel) -> dict[str, Any]:
    """Return the arguments with which timm builds the network of a run, but for the number of classes."""
    backbone = loaded.classifier.backbone
    size = {"img_size": loaded.preprocessing.shape} if backbone.shape.has_tokens else {}
    return {**backbone.model_args, **size}


@torch.no_grad()
def write_timm_folder(folder: Path, network: nn.Module, loaded: RunModel, metadata: Mapping[str, Any]) -> None:
    """Write `huggingface/` into an export's folder, and compare the network timm builds from it with the classifier.

    Args:
        folder: Of the export.
        network: Result of `plain_network`.
        loaded: The run.
        metadata: Of `model.onnx`; its temperature and thresholds are recorded, timm ignores them.

    Raises:
        ExportError: timm builds a different network from it.
    """
    import timm
    from safetensors.torch import save_file

    target = folder / TIMM_FOLDER
    target.mkdir()
    state = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
    with umask_permissions(target / WEIGHTS_FILE):
        save_file(state, target / WEIGHTS_FILE, metadata={"format": "pt"})
    write_json(target / CONFIG_FILE, _timm_config(loaded, metadata))
    built = timm.create_model(f"local-dir:{target}", pretrained=True).eval()
    shape = (4, 3, *loaded.preprocessing.shape)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    expected = loaded.classifier.eval()(images)
    difference = float((built(images) - expected).abs().max())
    if not difference <= MAX_LOGIT_DIFF * max(1.0, float(expected.abs().max())):
        amount = f"{difference:.2g}"
        message = Message("timm's network differs from the run by {difference} in a logit.", difference=amount)
        raise ExportError(message, "The ONNX file holds it all.")


def _timm_config(loaded: RunModel, metadata: Mapping[str, Any]) -> dict[str, Any]:
    classifier, preprocessing = loaded.classifier, loaded.preprocessing
    backbone = classifier.backbone
    names = list(loaded.run.class_names)
    body: Any = classifier.body
    original = {name: body.pretrained_cfg.get(name) for name in ("pool_size", "first_conv", "classifier")}
    return {
        "architecture": backbone.architecture,
        "num_classes": len(names),
        "num_features": backbone.features,
        "label_names": names,
        "model_args": model_args(loaded),
        "pretrained_cfg": {
            "tag": "visionft",
            "custom_load": False,
            "input_size": [3, *preprocessing.shape],
            "fixed_input_size": backbone.shape.has_tokens,
            "interpolation": preprocessing.interpolation,
            "crop_pct": preprocessing.crop_share,
            "crop_mode": "center",
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "num_classes": len(names),
            **original,
        },
        "visionft": {
            "version": visionft.__version__,
            "temperature": float(metadata["temperature"]),
            "thresholds": metadata.get("thresholds"),
        },
    }


ADAPTER_FOLDER, ADAPTER_CONFIG = "adapter", "adapter_config.json"  # names that PEFT reads
NETWORK_FILE, HEAD_FILE = "network.safetensors", "head.safetensors"
_SOURCE = Path(resources.__file__).parent / "pytorch" / CLASSIFIER_FILE


def write_network_folders(prepared: PreparedRun, folder: Path, result: ExportResult) -> ExportResult:
    """Write the network for timm; where timm alone cannot build it, for PyTorch.

    A folder that this run cannot have is left out with the reason.
    """
    model = prepared.model
    left_out = list[str]()
    try:
        network = plain_network(model)
        write_timm_folder(folder, network, model.strongest, prepared.metadata)
    except ExportError as error:
        left_out.append(error.message)
        shutil.rmtree(folder / TIMM_FOLDER, ignore_errors=True)
        left_out.append(_write_pytorch_folder(prepared, folder))
    left_out.append(_write_adapter(prepared, folder))
    return result.with_omitted(*left_out)


def _write_pytorch_folder(prepared: PreparedRun, folder: Path) -> str:
    """Write `pytorch/` of a single network with a linear head and no layers of a method, and nothing for others.

    Returns the reason why the folder is left out, else an empty text.
    """
    model = prepared.model
    if model.is_combined:
        return ""
    network: Any = model.strongest.classifier.merged()
    body = getattr(network, "body", network)
    if isinstance(network.get_classifier(), nn.Linear) and set(body.state_dict()) == _timm_names(model, network):
        return _write_compared(prepared, folder / PYTORCH_FOLDER, network, body.state_dict())
    return ""


def _write_adapter(prepared: PreparedRun, folder: Path) -> str:
    """Write `adapter/` of a run whose method has a format of PEFT: its updates, and the network that they update.

    Returns the reason why the folder is left out, else an empty text.
    """
    model = prepared.model
    run = model.run
    method, backbone = run.config.method_row, run.config.backbone_row
    if model.is_combined:
        return ""
    network = model.strongest.classifier.network
    body = getattr(network, "body", network)
    target = folder / ADAPTER_FOLDER
    target.mkdir()
    method.save_exchange(body, target, backbone=backbone, options=run.config.method_options)
    if not (target / ADAPTER_CONFIG).is_file():  # the method has none
        target.rmdir()
        return ""
    _complete_adapter(target / ADAPTER_CONFIG, run.class_names, base_weights_of(run))
    # PEFT names the layer below an update so.
    state = {name.replace(".base_layer.", "."): value for name, value in body.state_dict().items()}
    names = _timm_names(model, network)
    return _write_compared(prepared, target, network, {name: state[name] for name in state if name in names})


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
def _write_compared(prepared: PreparedRun, target: Path, network: Any, state: Mapping[str, Tensor]) -> str:
    """Write a network into a folder, load it from there and compare it.

    A folder that differs is removed again; then the reason is returned, else an empty text.
    """
    from safetensors.torch import save_file

    from resources.pytorch.classifier import load_classifier

    loaded = prepared.model.strongest
    target.mkdir(exist_ok=True)
    parts = {NETWORK_FILE: state}
    if isinstance(network, JoinedNetwork):
        parts[HEAD_FILE] = network.get_classifier().state_dict()
    for name, values in parts.items():
        with umask_permissions(target / name):
            plain = {key: value.detach().cpu().contiguous().clone() for key, value in values.items()}
            save_file(plain, target / name, metadata={"format": "pt"})
    write_json(target / CONFIG_FILE, _pytorch_config(prepared, network))
    (target / CLASSIFIER_FILE).write_bytes(_SOURCE.read_bytes())
    shape = (4, 3, *loaded.preprocessing.shape)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    expected = loaded.classifier.eval()(images)
    difference = float((load_classifier(target).eval()(images) - expected).abs().max())
    if not difference <= MAX_LOGIT_DIFF * max(1.0, float(expected.abs().max())):
        shutil.rmtree(target)
        words = Message("{folder} differs from the run by {difference} in a logit.", folder=target.name)
        return Message(words, difference=f"{difference:.2g}")
    return ""


def _pytorch_config(prepared: PreparedRun, network: Any) -> dict[str, Any]:
    """Return the configuration that `resources/pytorch/classifier.py` reads."""
    loaded, metadata = prepared.model.strongest, prepared.metadata
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
