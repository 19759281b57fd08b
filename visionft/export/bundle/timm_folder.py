"""The network as timm and the Hugging Face hub know it: `config.json` and `model.safetensors`, with equal logits.

`timm.create_model("local-dir:FOLDER", pretrained=True)` builds it. That works for what is a plain timm network once it
is merged: with a linear head on its embedding, and without layers of a method's own. Everything else is refused.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import nn  # noqa: TID253

import visionft
from models.methods.layers.joined import JoinedNetwork
from visionft.errors import ExportError
from visionft.export.bundle.card.front_matter import TIMM_FOLDER
from visionft.files import write_json
from visionft.training.runs.answerer import Answerer
from visionft.training.runs.loaded_run import LoadedRun

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MAX_LOGIT_DIFF = 1e-3
_WITHOUT = "Export without this folder: the ONNX file holds it all."


def plain_network(answerer: Answerer) -> nn.Module:
    """Return a run's network as a plain timm network with a linear head, in evaluation mode.

    A head that sees no more than the embedding of a ViT is put back into its network, which is exact; the square root
    that a ResNet's goes through before it (`models.methods.layers.joined`) is nothing that timm knows.

    Raises:
        ExportError: It is no such network, with the reason.
    """
    title = answerer.run.title
    if answerer.is_combined:
        raise _refused(title, "it is several networks, and timm's folder holds one")
    loaded = answerer.strongest
    backbone = loaded.classifier.backbone
    if backbone.embedding:
        raise _refused(title, "timm cannot be told by a file how a hybrid ViT makes its patches")
    network = loaded.classifier.merged()
    head = network.get_classifier()  # type: ignore[operator]
    if not isinstance(head, nn.Linear):
        raise _refused(title, f"its head is a {type(head).__name__}, and timm's is one linear layer")
    if isinstance(network, JoinedNetwork):
        network = _folded(network, head, loaded, title)
    names = set(network.state_dict())
    if odd := sorted(names ^ set(_built(loaded).state_dict())):
        raise _refused(title, f"its method has layers that timm's network lacks, such as {odd[0]}")
    return network.eval()


def _folded(network: JoinedNetwork, head: nn.Linear, loaded: LoadedRun, title: str) -> nn.Module:
    backbone = loaded.classifier.backbone
    if head.in_features != backbone.features or backbone.family != "vit":
        raise _refused(title, "its head sees more than the last stage, which timm's cannot")
    body: Any = network.body
    body.reset_classifier(head.out_features)
    body.get_classifier().load_state_dict(head.state_dict())
    return body


def _refused(title: str, reason: str) -> ExportError:
    return ExportError(f"{title} cannot be written for timm: {reason}.", _WITHOUT)


def _model_args(loaded: LoadedRun) -> dict[str, Any]:
    backbone = loaded.classifier.backbone
    size = {"img_size": loaded.preprocessing.size} if backbone.family == "vit" else {}
    return {**backbone.model_args, **size}


def _built(loaded: LoadedRun) -> nn.Module:
    import timm

    architecture, classes = loaded.classifier.backbone.architecture, len(loaded.run.class_names)
    return timm.create_model(architecture, pretrained=False, num_classes=classes, **_model_args(loaded))


def write_timm_folder(folder: Path, network: nn.Module, loaded: LoadedRun, temperature: float) -> None:
    """Write `huggingface/` into an export's folder, and compare what timm makes of it with the classifier.

    Args:
        folder: Of the export.
        network: What `plain_network` gave.
        loaded: The run.
        temperature: What the logits are to be divided by; timm passes it over.

    Raises:
        ExportError: timm builds another network from it.
    """
    from safetensors.torch import save_file

    target = folder / TIMM_FOLDER
    target.mkdir()
    state = {name: value.contiguous().clone() for name, value in network.state_dict().items()}
    save_file(state, target / WEIGHTS_FILE, metadata={"format": "pt"})
    write_json(target / CONFIG_FILE, _config(loaded, temperature))
    _compare(target, loaded)


def _config(loaded: LoadedRun, temperature: float) -> dict[str, Any]:
    classifier, preprocessing = loaded.classifier, loaded.preprocessing
    backbone, names = classifier.backbone, list(loaded.run.class_names)
    body: Any = classifier.body
    return {
        "architecture": backbone.architecture,
        "num_classes": len(names),
        "num_features": backbone.features,
        "label_names": names,
        "model_args": _model_args(loaded),
        "pretrained_cfg": {
            "tag": "visionft",
            "custom_load": False,
            "input_size": [3, preprocessing.size, preprocessing.size],
            "fixed_input_size": backbone.family == "vit",
            "interpolation": preprocessing.interpolation,
            "crop_pct": preprocessing.crop_share,
            "crop_mode": "center",
            "mean": list(preprocessing.mean),
            "std": list(preprocessing.std),
            "num_classes": len(names),
            "pool_size": body.pretrained_cfg.get("pool_size"),
            "first_conv": body.pretrained_cfg.get("first_conv"),
            "classifier": body.pretrained_cfg.get("classifier"),
        },
        "visionft": {"version": visionft.__version__, "temperature": temperature},
    }


@torch.no_grad()
def _compare(folder: Path, loaded: LoadedRun) -> None:
    import timm

    built = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    size = loaded.preprocessing.size
    pictures = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, size, size)).astype(np.float32))
    expected = loaded.classifier.eval()(pictures)
    difference = float((built(pictures) - expected).abs().max())
    if not difference <= MAX_LOGIT_DIFF * max(1.0, float(expected.abs().max())):
        raise ExportError(f"What timm builds differs from the run by {difference:.2g} in a logit.", "Nothing was kept.")
