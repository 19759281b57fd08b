"""The text side of a backbone trained on images and captions (CLIP, SigLIP). Torch-free.

open_clip builds it (`models.text.text_encoder`); its settings are copied from open_clip's `model_configs` (a
test compares them), so nothing loads open_clip to read them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.pins import UNPINNED, Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTower:
    architecture: str
    embedding: int
    settings: Mapping[str, Any] = field(hash=False)  # open_clip's `text_cfg`, without the tokenizer
    parameters: int
    is_projected: bool  # whether the image side's embedding (D) is projected into the space; else D is E
    tokenizer: Literal["clip", "siglip"]  # open_clip's byte pairs; `tokenizer.json` of the hub
    tokenizer_pin: Pin = UNPINNED
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
