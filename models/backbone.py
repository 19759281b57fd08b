"""The description of a backbone: a timm network and its pretrained weights. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Self

from models.pins import NO_PIN, Pin
from models.shapes import InputShape, NetworkShape, input_shape


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    """The text side of a backbone trained on images and captions (CLIP, SigLIP).

    open_clip builds it (`models.text.text_encoder`); its settings are copied from open_clip's `model_configs` (a test
    compares them), so nothing loads open_clip to read them.
    """

    architecture: str
    embedding: int
    settings: Mapping[str, Any] = field(hash=False)  # open_clip's `text_cfg`, without the tokenizer
    parameters: int
    is_projected: bool  # whether the image side's embedding (D) is projected into the space; else D is E
    tokenizer: Literal["clip", "siglip"]  # open_clip's byte pairs; `tokenizer.json` of the hub
    tokenizer_pin: Pin = NO_PIN
    is_sigmoid: bool = False  # trained with a sigmoid loss per pair (arXiv:2303.15343): one logit is meaningful

    @property
    def context_length(self) -> int:
        """Return how many tokens a text has; longer ones are cut, shorter ones padded."""
        return int(self.settings["context_length"])

    @property
    def needs_file(self) -> bool:
        """Tell whether the tokenizer is a file of its own, beside the weights."""
        return self.tokenizer == "siglip"


PE_CORE_S = TextTower(
    architecture="PE-Core-S-16-384",
    embedding=512,
    settings={"context_length": 32, "vocab_size": 49408, "width": 512, "heads": 8, "layers": 12},
    parameters=63_405_056,
    is_projected=True,
    tokenizer="clip",
)
SIGLIP2_B = TextTower(
    architecture="ViT-B-16-SigLIP2",
    embedding=768,
    settings={"context_length": 64, "vocab_size": 256000, "width": 768, "heads": 12, "layers": 12}
    | {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"}
    | {"norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}},
    parameters=282_303_744,
    is_projected=False,
    tokenizer="siglip",
    tokenizer_pin=Pin(
        revision="eee10eff6dd8cabae2d7f379d4e8cfcd352030aa",
        sha256="220c63d496e0c14e63eb656c91e0215e926202e4c74b1f089e09f1920d779b04",
        bytes=34_362_885,
    ),
    is_sigmoid=True,
)


NOT_STATED = "not stated"
# Licences without commercial use, or not stated: such weights require accepting the licence by its name.
RESTRICTED_LICENCES = (
    "CC-BY-NC-4.0",
    "apple-amlr",
    "fair-noncommercial-research-license",
    "seer-license",
    NOT_STATED,
)


class Normalisation(NamedTuple):
    """Mean and standard deviation per RGB channel, of pixels scaled to 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """One pretrained network; `embedding` builds the patches of a hybrid ViT (timm's `HybridEmbed`)."""

    name: str  # how settings and the command line call it; `timm/NAME` outside the catalog
    title: str
    summary: str
    architecture: str  # timm's name of the network, for `timm.create_model`
    model_args: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    embedding: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    shape: NetworkShape
    parameters: int  # count without a classifier head, at `input_size`
    features: int  # channels of the pooled embedding (D)
    input_size: int  # default side of a square input, in pixels
    normalisation: Normalisation
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_share: float = 0.95  # share of the resized image's shorter side inside the centre crop
    hub_id: str = ""  # Hugging Face repository of the weights, if any
    hub_file: str = "model.safetensors"
    text: TextTower | None = None
    pin: Pin = NO_PIN
    licence: str = "Apache-2.0"  # of the weights: `not stated` where neither timm nor the catalog knows it
    bundled: str = ""  # path under `models/` of bundled weights, if any
    sha256: str = ""  # hash of the bundled file, checked before it is loaded
    origin: str = "VisionFT"
    caveat: str = ""  # open questions about the licence of those, for anybody shipping a derived model

    @property
    def file_stem(self) -> str:
        return self.name.replace("/", "_")

    @property
    def has_weights(self) -> bool:
        return bool(self.bundled or self.hub_id)

    @property
    def must_be_accepted(self) -> bool:
        """Tell whether the weights' licence forbids commercial use or is not known."""
        return self.has_weights and self.licence in RESTRICTED_LICENCES

    @property
    def head(self) -> str:
        return self.shape.head

    @property
    def construction(self) -> dict[str, Any]:
        """Return timm's call to build the network, for loading its weights without this program."""
        built = {"library": "timm", "architecture": self.architecture, "model_args": dict(self.model_args)}
        return {**built, "hybrid_embedding": dict(self.embedding)} if self.embedding else built

    @property
    def hub_bytes(self) -> int:
        """Return how large the hub's file is, or about: float32, with a head for ImageNet's 1,000 classes."""
        outputs, text = (self.text.embedding, self.text.parameters) if self.text else (1000, 0)
        return self.pin.bytes or 4 * (self.parameters + (self.features + 1) * outputs + text)

    @property
    def size_step(self) -> int:
        """Return the step of the input side, in pixels."""
        return self.shape.size_step

    def input_shape(self, size: int = 0, aspect: float = 1.0) -> InputShape:
        """Return (height, width) of an input of about `size` x `size` pixels, in steps of `size_step`.

        Args:
            size: 0 takes the default.
            aspect: Width divided by height; 1 gives a square of exactly `size` pixels.
        """
        return input_shape(size or self.input_size, aspect, self.size_step)

    def parameters_at(self, shape: InputShape) -> int:
        """Return the headless parameter count for inputs of (height, width) pixels (position embeddings grow)."""
        own = (self.input_size, self.input_size)
        return self.parameters + self.shape.position_parameters(shape) - self.shape.position_parameters(own)

    def at(self, image_size: int) -> Self:
        """Return it with another default side of the input, in pixels."""
        return replace(self, parameters=self.parameters_at((image_size, image_size)), input_size=image_size)
