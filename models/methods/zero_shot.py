"""Zero-shot: classes are given by prompts, embedded by the text encoder of the same pretrained model.

Radford et al. 2021 (arXiv:2103.00020), Zhai et al. 2023 (arXiv:2303.15343). The texts' embeddings are the head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.backbone import Backbone
from models.catalog import DEFAULT_TEXT_BACKBONE
from models.methods.method import Method, MethodOptions
from visionft.core.messages import Message
from visionft.core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor, nn

NO_TEXT = Message("no text side was trained with it, so it reads no prompts; choose pe_core_s or siglip2_b")


@dataclass(frozen=True, kw_only=True)
class ZeroShotOptions(MethodOptions):
    templates: str = setting(
        "photo",
        label="Templates",
        choices={"photo": "A photo of a …", "seven": "Seven well-known sentences, averaged", "none": "As written"},
        help="The sentences around each prompt: photo (a photo of a ...); seven (well-known ones, averaged); none (as "
        "written).",
    )
    examples: str = setting(
        "none",
        label="Labelled images",
        choices={"none": "None", "blend": "Blend"},
        help="none: the words alone answer. blend: the means of the classes' training images too, as far as images "
        "that are left out say.",
    )


class ZeroShot(Method[ZeroShotOptions]):
    name = "zero_shot"
    title = Message("Zero-shot")
    summary = Message("Predicts from a description of each class; no labels, no training.")
    when = Message("You have no labels yet, or want to know what words alone can do.")
    options = ZeroShotOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True
    reads_prompts = True
    needs_labels = False
    usual_backbone = DEFAULT_TEXT_BACKBONE
    solution = "zero_shot"

    def refusal(self, backbone: Backbone) -> str:
        return "" if backbone.text else NO_TEXT

    def templates(self, options: ZeroShotOptions) -> str:
        return options.templates

    def looks_at_training_images(self, options: ZeroShotOptions) -> bool:
        return options.examples == "blend"

    def new_head(self, width: int, classes: int) -> "nn.Module":
        from models.methods.layers.text_head import TextHead

        return TextHead(width, classes)

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        head.take_shapes(state)
