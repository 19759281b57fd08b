"""The model of this folder in PyTorch, to use it and to train it further. Needs: pip install timm safetensors

In the folder above this one:

    from pytorch.classifier import load_classifier

    model = load_classifier()                       # a torch.nn.Module, all of whose parameters can be trained
    image = model.prepare(Image.open("image.jpg"))  # Pillow's image, upright -> float32 (3, height, width)
    logits = model(image[None])                     # (B, 3, height, width) -> (B, classes)
    probabilities = model.probabilities(logits)     # calibrated

`config.json` has timm's architecture and its arguments, the classes, and how images are prepared. `network.safetensors`
has the weights of the network under timm's names, `head.safetensors` the head's if it sees several stages.

Beside an `adapter_config.json` (the folder `adapter`) the network has the weights from before the training, and PEFT
(pip install peft) adds the trained updates: `model.network` is a `PeftModel` then, and only its updates and the head
are trained.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image, ImageOps
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).parent


def load_classifier(folder: "str | Path" = HERE) -> "Classifier":
    """Return the model of a folder such as this one, with its weights."""
    folder = Path(folder)
    model = Classifier(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model.network.load_state_dict(load_file(folder / "network.safetensors"))
    if model.head is not None:
        model.head.load_state_dict(load_file(folder / "head.safetensors"))
    if (folder / "adapter_config.json").is_file():
        from peft import PeftModel

        model.network.requires_grad_(False)
        model.network = PeftModel.from_pretrained(model.network, str(folder), is_trainable=True)
    return model


class Classifier(nn.Module):
    """A network of timm with its own head, or with one that sees several of its stages, as `config` says."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.config = config
        self.class_names: list[str] = config["class_names"]
        self.network = build_network(config)
        self.head = nn.Linear(config["head"]["inputs"], len(self.class_names)) if config["head"] else None

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, height, width) prepared images to (B, classes) logits."""
        return self.network(images) if self.head is None else self.head(self.features(images))

    def features(self, images: Tensor) -> Tensor:
        """Return the input of the head: the means of the stages that it sees, the network's own embedding last."""
        about, network = self.config["head"], self.network
        if about["stages"]:
            last, earlier = network.forward_intermediates(images, indices=about["stages"], norm=about["norm"])
        else:
            last, earlier = network.forward_features(images), []
        means = [stage.mean(dim=(2, 3)) for stage in earlier]
        parts = torch.cat([*means, network.forward_head(last, pre_logits=True)], dim=1)
        if about["square_root"]:
            parts = parts.clamp_min(1e-6).sqrt()
        return parts[:, -about["inputs"] :]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Map logits to calibrated probabilities: of one class each image, or of each class where it has several."""
        scaled = logits / self.config["temperature"]
        return scaled.sigmoid() if self.config["task"] == "multi" else scaled.softmax(dim=-1)

    def prepare(self, image: Image.Image) -> Tensor:
        """Return an image of any size as the network's input: cropped, resized with antialiasing, normalised."""
        steps = self.config["preprocessing"]
        pixels = torch.from_numpy(np.array(ImageOps.exif_transpose(image).convert("RGB")))
        rows, columns, _ = pixels.shape
        left, top, right, bottom = steps["region"]  # in thousandths of the sides
        top, left = rows * top // 1000, columns * left // 1000
        inner = max(1, rows * bottom // 1000 - top), max(1, columns * right // 1000 - left)
        size = steps["height"], steps["width"]
        # The largest box of the input's aspect ratio; halves are rounded up.
        extent = min(inner[0] * size[1], inner[1] * size[0]) * round(steps["crop_share"] * 1000)
        height, width = (max(1, (2 * extent + 1000 * side) // (2000 * side)) for side in size[::-1])
        top, left = top + (inner[0] - height) // 2, left + (inner[1] - width) // 2
        part = pixels[top : top + height, left : left + width].permute(2, 0, 1)[None].float()
        resized = nn.functional.interpolate(part, size, mode=steps["interpolation"], antialias=True)[0].clamp(0, 255)
        mean, std = (torch.tensor(steps[name]).view(3, 1, 1) * 255 for name in ("mean", "std"))
        return (resized - mean) / std


def build_network(config: dict) -> Any:
    """Return timm's network of a configuration, with random weights."""
    about = config["network"]
    arguments = {**about["arguments"], "num_classes": len(config["class_names"])}
    if embedding := about["embedding"]:  # of a hybrid ViT: a convolutional network makes the patches
        from timm.layers.hybrid_embed import HybridEmbed

        arguments["embed_layer"] = partial(HybridEmbed, backbone=timm.create_model(**embedding, pretrained=False))
    network: Any = timm.create_model(about["architecture"], pretrained=False, **arguments)
    if config["head"]:
        network.reset_classifier(0)
    return network
