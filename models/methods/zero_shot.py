"""Zero-shot: the classes are what a person says of them, read by the text side that the network was trained with.

Radford et al. 2021 (arXiv:2103.00020), Zhai et al. 2023 (arXiv:2303.15343). The texts' embeddings are the head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.backbone import Backbone
from models.catalog import DEFAULT_TEXT_BACKBONE
from models.methods.head_parts import LAST, with_head
from models.methods.method import Method, MethodOptions
from models.settings import setting

if TYPE_CHECKING:
    from torch import Tensor

NO_TEXT = "no text side was trained with it, so it reads no prompts; choose pe_core_s or siglip2_b"
BLEND, NO_EXAMPLES = "blend", "none"


@dataclass(frozen=True, kw_only=True)
class ZeroShotOptions(MethodOptions):
    """Zero-shot from prompts (Radford et al. 2021, arXiv:2103.00020)."""

    templates: str = setting(
        "photo",
        label="Templates",
        help="The sentences around each prompt: photo (a photo of a ...); seven (well-known ones, averaged); none (as "
        "written).",
        choices=("photo", "seven", "none"),
    )
    examples: str = setting(
        NO_EXAMPLES,
        label="Labelled pictures",
        help="none: the words alone answer. blend: the means of the classes' training pictures too, as far as pictures "
        "that are left out say.",
        choices=(NO_EXAMPLES, BLEND),
    )


class ZeroShot(Method[ZeroShotOptions]):
    """The head is made of the texts of the classes."""

    name = "zero_shot"
    title = "Zero-shot"
    summary = "Answers from what you say of each class; no label is needed, nothing is trained."
    when = "You have no labels yet, or want to know what words alone can do."
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
        """Refuse networks that were not trained together with a text side."""
        return "" if backbone.text else NO_TEXT

    def templates(self, options: ZeroShotOptions) -> str:
        """Return the chosen set."""
        return options.templates

    def looks_at_training_pictures(self, options: ZeroShotOptions) -> bool:
        """Tell whether labelled pictures have a say beside the words."""
        return options.examples == BLEND

    def inject(self, network: Any, backbone: Backbone, options: ZeroShotOptions) -> Any:
        """Put a head around the network that compares its embedding with texts."""
        from models.methods.layers.text_head import TextHead

        return with_head(network, backbone, LAST, head=TextHead(backbone.features, network.num_classes))

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        """Take the shapes that the space of the two sides gives."""
        head.take_shapes(state)
