"""The text encoder of a CLIP or SigLIP network, from texts to the embedding space shared with images.

open_clip (`visionft[zero-shot]`) builds the transformer; one weights file contains the text and the image encoder. The
tokenizers are equivalent to open_clip's. Mistakes in them cause no error: SigLIP loses a tenth of its
accuracy if texts keep case and punctuation (NVlabs/RADIO#142), and predicts at chance level if texts are not padded to
the full length (embeddings-benchmark/mteb#1424), because it pools at the last position.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.backbone import TextTower
from models.catalog import BACKBONES, Backbone
from models.heads.text_head import ClassPoints, CommonSpace
from models.text.class_texts import ClassTexts
from models.weights.fetching import beside, fetch_tokenizer, find_tokenizer, needs_tokenizer
from models.weights.locations import PRETRAINED, find_weights
from models.weights.records import checked_sha256
from models.weights.weights_loading import IMAGE_SIDE, read_state
from visionft.core.errors import ConfigError, NextStep, Problem, VisionFTError, WeightsError
from visionft.core.events import Progress
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message

Tokenize = Callable[[Sequence[str]], Tensor]  # texts -> (N, context length) of int64


def tokenizer_for(tower: TextTower, vocabulary: Path | None) -> Tokenize:
    """Return the tokenizer of a text encoder; `vocabulary` is its `tokenizer.json`, if it has one.

    Raises:
        WeightsError: The vocabulary cannot be read, or is not a SigLIP vocabulary.
    """
    if tower.tokenizer == "siglip":
        assert vocabulary is not None
        return siglip_tokenizer(vocabulary, tower.context_length)
    from open_clip.tokenizer import SimpleTokenizer

    # CLIP's tokenizer lower-cases, applies byte-pair encoding, adds a start and an end token, and pads with zeros.
    # Longer texts are truncated but keep the end token, because the encoder pools at its position.
    tokenizer = SimpleTokenizer(context_length=tower.context_length)
    return lambda texts: tokenizer(list(texts))


def siglip_tokenizer(vocabulary: Path, context_length: int) -> Tokenize:
    """Return the SigLIP tokenizer, which canonicalises and tokenises a text, adds an end token, and pads it.

    Raises:
        WeightsError: The file cannot be read, or lacks the end or the padding token.
    """
    from open_clip.tokenizer import get_clean_fn
    from tokenizers import Tokenizer

    clean = get_clean_fn("canonicalize")  # fixes broken Unicode, lower-cases, strips punctuation, collapses whitespace
    try:
        tokenizer: Any = Tokenizer.from_file(str(vocabulary))
    except Exception as error:  # the library raises a bare Exception for any invalid file
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        message = Message("{file} is not a readable vocabulary: {reason}.", file=vocabulary.name, reason=reason)
        raise WeightsError(message, "Get the file again.") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    end, pad = (tokenizer.token_to_id(name) for name in ("<eos>", "<pad>"))
    if end is None or pad is None:
        message = Message("{file} is not SigLIP's: it has no <eos> or no <pad>.", file=vocabulary.name)
        raise WeightsError(message, "Get the file again.")

    def tokenize(texts: Sequence[str]) -> Tensor:
        rows = torch.full((len(texts), context_length), pad, dtype=torch.long)
        for row, text in zip(rows, texts, strict=True):
            token_ids = tokenizer.encode(clean(text), add_special_tokens=False).ids[: context_length - 1]
            row[: len(token_ids) + 1] = torch.tensor([*token_ids, end])
        return rows

    return tokenize


BATCH = 64  # texts at a time
STAGE = Message("Reading the prompts")
NEUTRAL_TEXT = "a photo."  # baseline with which each class of a multi-label task is compared


class TextEncoder:
    """A text encoder with its weights, its description (`tower`), and the embedding space shared with images."""

    def __init__(self, tower: TextTower, network: Any, tokenize: Tokenize, space: CommonSpace) -> None:
        self.tower, self.space = tower, space
        self._network, self._tokenize = network, tokenize

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], *, job: JobContext = SILENT_JOB) -> Tensor:
        """Map texts to (N, E) float32 unit vectors on the CPU; equal texts are encoded once."""
        index_of = {text: index for index, text in enumerate(dict.fromkeys(texts))}
        unique = list(index_of)
        rows = []
        device = next(self._network.parameters()).device
        for begin in range(0, len(unique), BATCH):
            job.check_cancelled()
            job.report(Progress(stage=STAGE, done=begin, total=len(unique)))
            tokens = self._tokenize(unique[begin : begin + BATCH]).to(device)
            rows.append(F.normalize(self._network(tokens).float(), dim=-1).cpu())
        return torch.cat(rows)[[index_of[text] for text in texts]]

    def class_points(self, classes: Sequence[ClassTexts], *, job: JobContext = SILENT_JOB) -> ClassPoints:
        """Return a unit vector for each class: the normalised mean of the vectors of its texts."""
        texts = [*(text for class_texts in classes for text in class_texts.texts), NEUTRAL_TEXT]
        *points, neutral = self.encode(texts, job=job)
        of_classes = torch.stack(points).split([len(class_texts.texts) for class_texts in classes])
        means = F.normalize(torch.stack([of_class.mean(dim=0) for of_class in of_classes]), dim=-1)
        return ClassPoints(self.space, means, neutral)


def open_text_side(
    backbone: Backbone, source: str = PRETRAINED, *, device: torch.device | str = "cpu", job: JobContext = SILENT_JOB
) -> TextEncoder:
    """Return the text encoder of a backbone with the weights of `source`; its vocabulary is downloaded if needed.

    `source` is `pretrained`, or the path of a weights file of both encoders or of its folder.

    Raises:
        ConfigError: The backbone has no text encoder.
        VisionFTError: open_clip is not installed.
        WeightsError: The weights or the vocabulary are not available, or belong to another network.
    """
    tower = text_side_of(backbone)
    if importlib.util.find_spec("open_clip") is None:
        hint = Message("Install VisionFT's extra zero-shot, and start VisionFT again.")
        step = NextStep("install", requirement="visionft[zero-shot]")
        raise VisionFTError("The package open_clip, which reads prompts, is not installed.", hint, step)
    path = find_weights(backbone, source)
    checked_sha256(backbone, path)
    vocabulary = None
    if needs_tokenizer(backbone):
        vocabulary = beside(backbone, path) if source != PRETRAINED else None
        if vocabulary is None and fetch_tokenizer(backbone, job=job) is None:
            raise JobCancelled
        vocabulary = vocabulary or find_tokenizer(backbone)
    state = read_state(path)
    network = build_text_network(tower)
    _load(network, state, path, tower)
    network.requires_grad_(False).eval().to(device)
    return TextEncoder(tower, network, tokenizer_for(tower, vocabulary), _space(state, path, tower))


def text_side_of(backbone: Backbone) -> TextTower:
    """Return the text encoder's description of a backbone; raises `ConfigError` if it has no text encoder."""
    if backbone.text:
        return backbone.text
    message = Message("{name} has no text encoder, so it cannot use prompts", name=backbone.name)
    names = ", ".join(name for name, row in BACKBONES.items() if row.text)
    raise ConfigError((Problem("backbone", message, Message("Choose {names}.", names=names)),))


def build_text_network(tower: TextTower) -> Any:
    """Return open_clip's text transformer with random weights: tokens (N, L) -> (N, E)."""
    from open_clip.model import CLIPTextCfg, _build_text_tower

    return _build_text_tower(tower.embedding, CLIPTextCfg(**tower.settings))


def _load(network: Any, state: dict[str, Tensor], path: Path, tower: TextTower) -> None:
    """Load the text encoder's tensors into the network; raises `WeightsError` if names or shapes differ."""
    tensors = {name.removeprefix("text."): value for name, value in state.items() if name.startswith("text.")}
    expected = network.state_dict()
    if not tensors:
        message = Message("{file} has no text encoder, which reads the prompts.", file=path.name)
        hint = Message(
            "Get open_clip's file of {name}, which has the image and the text encoder.", name=tower.architecture
        )
        raise WeightsError(message, hint)
    wrong = [name for name in expected if name not in tensors or tensors[name].shape != expected[name].shape]
    if wrong or tensors.keys() - expected.keys():
        name = wrong[0] if wrong else min(tensors.keys() - expected.keys())
        message = Message(
            "The text encoder in {file} is not {name}'s: text.{tensor} differs.",
            file=path.name,
            name=tower.architecture,
            tensor=name,
        )
        raise WeightsError(message, "Choose the backbone that the file was made for.")
    network.load_state_dict(tensors)


def _space(state: dict[str, Tensor], path: Path, tower: TextTower) -> CommonSpace:
    """Read the scale, bias and projection that compare images with texts; raises `WeightsError` if they are missing."""
    projection, offset = (state.get(f"{IMAGE_SIDE}head.{name}") for name in ("weight", "bias"))
    if "logit_scale" not in state or (tower.is_projected and projection is None):
        missing = "logit_scale" if "logit_scale" not in state else f"{IMAGE_SIDE}head.weight"
        text = Message("{file} does not say how images and texts are compared: it lacks {name}.", file=path.name)
        raise WeightsError(Message(text, name=missing))
    bias = state.get("logit_bias")
    return CommonSpace(
        projection=projection.float() if tower.is_projected and projection is not None else None,
        offset=offset.float() if tower.is_projected and offset is not None else None,
        scale=float(state["logit_scale"].float().exp()),
        bias=float(bias) if bias is not None else 0.0,
        is_sigmoid=tower.is_sigmoid,
    )
