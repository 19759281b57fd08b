"""Full fine-tuning: every weight learns, the early layers at a lower rate. Merging is nothing: it is the plain network.

Layer-wise rate decay follows BEiT (Bao et al. 2022, arXiv:2106.08254), grouped as timm groups its networks.
"""

from dataclasses import dataclass
from typing import Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions, layers_setting
from visionft.core.errors import Problem
from visionft.core.messages import Message

LAYER_DECAY = 0.8  # the rate of each layer relative to the one above it, which protects the early, general layers


@dataclass(frozen=True, kw_only=True)
class FullOptions(MethodOptions):
    layers: str = layers_setting("last")


class FullFineTuning(Method[FullOptions]):
    name = "full"
    title = Message("Full fine-tuning")
    summary = Message("Every weight of the network learns.")
    when = Message("You have many images, or they look nothing like everyday photographs.")
    options = FullOptions
    learning_rate = 3e-4
    trains_network = True
    moves_buffers = True
    interpolates = True
    # Statistics of 32 images at a time cost EfficientNet-Lite2 more than training gained (docs/methods.md).
    keeps_statistics = True

    def problems(self, backbone: Backbone, options: FullOptions, *, batch_size: int) -> list[Problem]:
        if backbone.shape.has_batch_norm and batch_size == 1:
            message = Message("must be at least 2 for full fine-tuning of {title} (batch norm)", title=backbone.title)
            return [Problem("batch_size", message)]
        return []

    def needs_base_weights(self, options: FullOptions) -> bool:
        """Return False: the checkpoint holds the whole network."""
        return False

    def inject(self, network: Any, backbone: Backbone, options: FullOptions) -> Any:
        """Mark every parameter of a timm network as trainable."""
        network.requires_grad_(True)
        return super().inject(network, backbone, options)

    def parameter_groups(self, network: Any, options: FullOptions, weight_decay: float) -> list[dict[str, Any]]:
        from timm.optim._param_groups import param_groups_layer_decay

        body = getattr(network, "body", network)
        no_decay = body.no_weight_decay() if hasattr(body, "no_weight_decay") else ()
        by_layer = param_groups_layer_decay(body, weight_decay, no_decay, layer_decay=LAYER_DECAY)
        groups = [{key: group[key] for key in ("params", "weight_decay", "lr_scale")} for group in by_layer]
        if body is not network:
            head = network.get_classifier()
            groups.append({"params": [head.weight], "weight_decay": weight_decay, "lr_scale": 1.0})
            groups.append({"params": [head.bias], "weight_decay": 0.0, "lr_scale": 1.0})
        return groups
