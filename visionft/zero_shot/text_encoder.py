"""The text side of a CLIP or SigLIP at work: from texts to points of the space that pictures are embedded in too.

open_clip (`visionft[zero-shot]`) builds the transformer; its weights lie in the same file as the picture side's.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.catalog import BACKBONES, Backbone
from models.text_towers import TextTower
from visionft.errors import ConfigError, NextStep, Problem, VisionFTError, WeightsError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.heads.common_space import ClassPoints, CommonSpace
from visionft.weights.fitting import PICTURE_SIDE
from visionft.weights.locations import PRETRAINED, find_weights
from visionft.weights.reading import read_state
from visionft.weights.records import checked_sha256
from visionft.weights.tokenizer_files import beside, fetch_tokenizer, find_tokenizer, needs_tokenizer
from visionft.zero_shot.prompts import ClassTexts
from visionft.zero_shot.tokenizers import Tokenize, tokenizer_for

BATCH = 64  # texts at a time
STAGE = "Reading the prompts"
NOTHING = "a photo."  # what each of several labels is compared with


class TextEncoder:
    """A text side with its weights.

    Attributes:
        tower: What it is.
        space: How its texts are compared with pictures.
    """

    def __init__(self, tower: TextTower, network: Any, tokenize: Tokenize, space: CommonSpace) -> None:
        self.tower, self.space = tower, space
        self._network, self._tokenize = network, tokenize

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[str], *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
    ) -> Tensor:
        """Map texts to points (N, E) of length 1, float32 on the CPU; equal texts are read once.

        Raises:
            InterruptedError: The user stopped.
        """
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        unique, rows = list(places), []
        device = next(self._network.parameters()).device
        for begin in range(0, len(unique), BATCH):
            if should_stop():
                raise InterruptedError
            on_event(Progress(stage=STAGE, done=begin, total=len(unique)))
            tokens = self._tokenize(unique[begin : begin + BATCH]).to(device)
            rows.append(F.normalize(self._network(tokens).float(), dim=-1).cpu())
        return torch.cat(rows)[[places[text] for text in texts]]

    def class_points(
        self,
        classes: Sequence[ClassTexts],
        *,
        on_event: OnEvent = ignore_event,
        should_stop: ShouldStop = never_stop,
    ) -> ClassPoints:
        """Return one point of length 1 for each class: the direction of the mean of its texts' points.

        Raises:
            InterruptedError: The user stopped.
        """
        texts = [*(text for each in classes for text in each.texts), NOTHING]
        *points, nothing = self.encode(texts, on_event=on_event, should_stop=should_stop)
        parts = torch.stack(points).split([len(each.texts) for each in classes])
        means = F.normalize(torch.stack([part.mean(dim=0) for part in parts]), dim=-1)
        return ClassPoints(self.space, means, nothing)


def open_text_side(
    backbone: Backbone,
    source: str = PRETRAINED,
    *,
    device: torch.device | str = "cpu",
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> TextEncoder:
    """Return the text side of a backbone, with the weights that `source` means; its vocabulary is fetched if need be.

    Args:
        backbone: A row of the catalog.
        source: `pretrained`, or the path of a file of both sides or of a folder that holds one.
        device: Where texts are read.
        on_event: Receives what goes on.
        should_stop: Asked while the vocabulary is fetched.

    Raises:
        ConfigError: The backbone has no text side.
        VisionFTError: The package that builds it is not installed.
        WeightsError: The weights or the vocabulary cannot be had, or are of another network.
        InterruptedError: The user stopped.
    """
    tower = text_side_of(backbone)
    require_open_clip()
    path = find_weights(backbone, source)
    checked_sha256(backbone, path)
    vocabulary = _vocabulary(backbone, path, source, on_event, should_stop)
    state = read_state(path)
    network = build_text_network(tower)
    _load(network, state, path, tower)
    network.requires_grad_(False).eval().to(device)
    return TextEncoder(tower, network, tokenizer_for(tower, vocabulary), _space(state, path, tower))


def text_side_of(backbone: Backbone) -> TextTower:
    """Return the text side of a backbone.

    Raises:
        ConfigError: It has none; those that have one are named.
    """
    if backbone.text:
        return backbone.text
    names = ", ".join(name for name, row in BACKBONES.items() if row.text)
    raise ConfigError(
        (Problem("backbone", f"{backbone.name} has no text side, so it reads no prompts", f"Choose {names}."),)
    )


def require_open_clip() -> None:
    """Refuse to go on without the package that builds text sides.

    Raises:
        VisionFTError: It is not installed.
    """
    if importlib.util.find_spec("open_clip") is None:
        hint = "Install VisionFT's extra zero-shot, and start VisionFT again."
        step = NextStep("install", requirement="visionft[zero-shot]")
        raise VisionFTError("The package open_clip, which reads prompts, is not installed.", hint, step)


def build_text_network(tower: TextTower) -> Any:
    """Return open_clip's text transformer with random weights: tokens (N, L) -> (N, E)."""
    from open_clip.model import CLIPTextCfg, _build_text_tower

    return _build_text_tower(tower.embedding, CLIPTextCfg(**tower.settings))


def _vocabulary(
    backbone: Backbone, weights: Path, source: str, on_event: OnEvent, should_stop: ShouldStop
) -> Path | None:
    if not needs_tokenizer(backbone):
        return None
    if source != PRETRAINED and (given := beside(backbone, weights)):
        return given
    if fetch_tokenizer(backbone, on_event=on_event, should_stop=should_stop) is None:
        raise InterruptedError
    return find_tokenizer(backbone)


def _load(network: Any, state: dict[str, Tensor], path: Path, tower: TextTower) -> None:
    """Fill the network with the text side's tensors.

    Raises:
        WeightsError: Names or shapes differ.
    """
    side = {name.removeprefix("text."): value for name, value in state.items() if name.startswith("text.")}
    own = network.state_dict()
    if not side:
        message = f"{path.name} holds no text side, which reads the prompts."
        raise WeightsError(message, f"Get open_clip's file of {tower.architecture}, which holds both sides.")
    wrong = [name for name in own if name not in side or side[name].shape != own[name].shape]
    if wrong or side.keys() - own.keys():
        name = wrong[0] if wrong else min(side.keys() - own.keys())
        message = f"The text side of {path.name} is not that of {tower.architecture}: text.{name} differs."
        raise WeightsError(message, "Choose the backbone that the file was made for.")
    network.load_state_dict(side)


def _space(state: dict[str, Tensor], path: Path, tower: TextTower) -> CommonSpace:
    """Read how the file compares pictures with texts.

    Raises:
        WeightsError: It does not say.
    """
    projection, offset = (state.get(f"{PICTURE_SIDE}head.{name}") for name in ("weight", "bias"))
    if "logit_scale" not in state or (tower.is_projected and projection is None):
        lost = "logit_scale" if "logit_scale" not in state else f"{PICTURE_SIDE}head.weight"
        raise WeightsError(f"{path.name} does not say how pictures and texts are compared: it lacks {lost}.")
    bias = state.get("logit_bias")
    return CommonSpace(
        projection=projection.float() if tower.is_projected and projection is not None else None,
        offset=offset.float() if tower.is_projected and offset is not None else None,
        scale=float(state["logit_scale"].float().exp()),
        bias=float(bias) if bias is not None else 0.0,
        is_sigmoid=tower.is_sigmoid,
    )
