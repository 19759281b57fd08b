"""Write the network in the format of timm and the Hugging Face hub: `config.json`, `model.safetensors`, equal logits.

`timm.create_model("local-dir:FOLDER", pretrained=True)` builds it. Supported are plain timm networks after merging: a
linear head on the embedding, and no layers of a method. Everything else is refused; `network_folders` has more.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

import visionft
from models.messages import Message
from models.methods.layers.joined import JoinedNetwork
from models.tensor_files import usual_permissions
from visionft.errors import ExportError
from visionft.export.contents import TIMM_FOLDER
from visionft.files import write_json
from visionft.training.runs.run_model import RunModel

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MAX_LOGIT_DIFF = 1e-3


def plain_network(model: RunModel) -> nn.Module:
    """Return a run's network as a plain timm network with a linear head, in evaluation mode.

    A head on the embedding alone moves back into its network, which is exact. A ResNet's features go through a square
    root before the head (`models.methods.layers.joined`); timm has no such operation.

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
    with usual_permissions(target / WEIGHTS_FILE):
        save_file(state, target / WEIGHTS_FILE, metadata={"format": "pt"})
    write_json(target / CONFIG_FILE, _config(loaded, metadata))
    built = timm.create_model(f"local-dir:{target}", pretrained=True).eval()
    shape = (4, 3, *loaded.preprocessing.shape)
    images = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    expected = loaded.classifier.eval()(images)
    difference = float((built(images) - expected).abs().max())
    if not difference <= MAX_LOGIT_DIFF * max(1.0, float(expected.abs().max())):
        amount = f"{difference:.2g}"
        message = Message("What timm builds differs from the run by {difference} in a logit.", difference=amount)
        raise ExportError(message, "The ONNX file holds it all.")


def _config(loaded: RunModel, metadata: Mapping[str, Any]) -> dict[str, Any]:
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
