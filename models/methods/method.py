"""The interface of a fine-tuning method, with the defaults of a method without parameters of its own.

A method is one file beside this one and one row in `models.methods.table`. Torch-free, as the window reads the table
before the first job: a method imports torch inside its functions, and its layers from `models.methods.layers`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from models.catalog import Backbone
from models.shapes import InputShape, NetworkShape
from visionft.core.errors import Problem
from visionft.core.messages import Message, Text
from visionft.core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """Base of every method's settings; a field `layers` other than `last` puts the head on multi-stage features."""


OptionsT = TypeVar("OptionsT", bound=MethodOptions)


class Method(Generic[OptionsT]):
    """One way to fine-tune. The engine freezes the network, calls `inject`, and trains head and unfrozen parameters."""

    name: str
    title: str
    summary: str
    when: str
    options: type[OptionsT]
    learning_rate: float  # peak rate under AdamW at batch 32 (and 768 wide, where it follows the width)
    follows_width: bool = True  # whether the rate falls as the network gets wider; a head alone does not depend on it
    trains_network: bool = False
    moves_buffers: bool = False  # whether training moves buffers (batch-norm statistics); a checkpoint then holds them
    # Whether batch norms with trainable weights keep the pretrained statistics; frozen ones always do.
    keeps_statistics: bool = False
    head_rate: float = 1.0  # the learning rate of the head relative to the rest
    caches_features: bool = False  # whether all below the head stays as pretrained: features are stored
    is_training_free: bool = False  # its head is solved for at once, unless its options say else
    solution: str = "linear"  # the closed form of that head: a row of `models.heads.solutions`
    reads_prompts: bool = False
    needs_labels: bool = True
    usual_backbone: str = ""  # default where it refuses the chosen network; empty: it is not offered
    is_live: bool = False  # whether its predictions follow the current labels, as k-NN does
    interpolates: bool = False  # whether weight interpolation between two of its states is worth trying (WiSE-FT)

    def refusal(self, backbone: Backbone) -> str:
        """Return why it cannot be applied to a network; empty where it can."""
        return ""

    def peak_rate(self, shape: NetworkShape, options: OptionsT) -> float:
        """Return the default peak learning rate on a network, under AdamW at batch 32."""
        return self.learning_rate * (shape.rate_factor if self.follows_width else 1.0)

    def head_parts(self, backbone: Backbone, options: OptionsT) -> tuple[int, ...]:
        """Return the widths of the head's inputs: earlier stages (if joined), then the embedding."""
        is_joined = getattr(options, "layers", "last") != "last"
        return backbone.shape.joined_widths(backbone.features) if is_joined else (backbone.features,)

    def may_leave_parts_out(self, options: OptionsT) -> bool:
        """Return whether held-out images decide about the earlier stages that the head sees.

        Where training goes on from a linear probe, epoch 0 is that probe, which may see the embedding alone.
        """
        return not self.is_training_free and getattr(options, "layers", "last") != "last"

    def is_closed_form(self, options: OptionsT) -> bool:
        """Return whether the head is solved in closed form, so a run has no epochs."""
        return self.is_training_free

    def templates(self, options: OptionsT) -> str:
        """Return the name of the prompt templates (`models.text.class_texts`), where it reads any."""
        return "none"

    def looks_at_training_images(self, options: OptionsT) -> bool:
        """Return whether it learns from labelled training images."""
        return True

    def head_parameters(self, width: int, classes: int, options: OptionsT) -> int:
        """Count the parameters of a head on `width` features before it is solved for."""
        return (width + 1) * classes

    def injected_parameters(self, shape: NetworkShape, options: OptionsT) -> int:
        """Count the parameters `inject` adds to a network of the shape."""
        return 0

    def problems(self, backbone: Backbone, options: OptionsT, *, batch_size: int) -> list[Problem]:
        """Return the problems of options in range but unsuitable for the backbone or the batch."""
        return []

    def needs_base_weights(self, options: OptionsT) -> bool:
        """Return whether a checkpoint needs the base weights beside it."""
        return True

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        """Return options in the current format from the options of a settings file of format `version`."""
        return values

    def inject(self, network: Any, backbone: Backbone, options: OptionsT) -> Any:
        """Add trainable parameters to a frozen timm network, or unfreeze it; return it, or a wrapper alike."""
        widths = self.head_parts(backbone, options)
        head = self.new_head(sum(widths), network.num_classes)
        if len(widths) == 1 and head is None:
            return network
        from models.methods.layers import JoinedNetwork

        return JoinedNetwork(network, backbone, classes=network.num_classes, head=head, width=sum(widths))

    def new_head(self, width: int, classes: int) -> "nn.Module | None":
        """Return the method's own kind of head, (B, width) to (B, C) logits; None for a linear layer."""
        return None

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        """Give a head, in place, the shapes of a state before it is loaded, where they depend on the images."""

    def merge(self, network: Any) -> None:
        """Fold all updates into the weights, in place, where possible; the outputs stay the same."""

    def parameter_groups(self, network: Any, options: OptionsT, weight_decay: float) -> list[dict[str, Any]]:
        """Group the trainable parameters for an optimiser: no decay on norms and biases, rates by `lr_scales`."""
        scales = {id(parameter): scale for parameter, scale in self.lr_scales(network, options)}
        groups: dict[tuple[float, float], dict[str, Any]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                decay = weight_decay if parameter.ndim >= 2 and self.decays(name) else 0.0
                scale = scales.get(id(parameter), 1.0)
                group = groups.setdefault((decay, scale), {"params": [], "weight_decay": decay, "lr_scale": scale})
                group["params"].append(parameter)
        return list(groups.values())

    def lr_scales(self, network: Any, options: OptionsT) -> "Iterator[tuple[nn.Parameter, float]]":
        """Return (parameter, factor) for each parameter with a learning rate other than the run's: the head's."""
        yield from ((parameter, self.head_rate) for parameter in network.get_classifier().parameters())

    def decays(self, parameter_name: str) -> bool:
        """Return whether weight decay acts on the matrix of the name."""
        return True

    def interpolated(self, start: "dict[str, Tensor]", end: "dict[str, Tensor]", share: float) -> "dict[str, Tensor]":
        """Return the trainable state `share` of the way from `start` to `end`; counters come from `end`."""
        moving = [
            name for name, value in end.items() if value.is_floating_point() and not self.is_scaled_elsewhere(name)
        ]
        return end | {name: start[name].to(end[name].dtype).lerp(end[name], share) for name in moving}

    def is_scaled_elsewhere(self, name: str) -> bool:
        """Return whether a tensor is one factor of a product and the other factor is zero at the start.

        Scaling the other factor alone scales the product; both would scale it twice.
        """
        return False

    def save_exchange(self, network: Any, folder: Path, *, backbone: Backbone, options: OptionsT) -> None:
        """Write the trained parts of a timm network in PEFT's format, with its head if it has one; or nothing."""


LAYERS = {"last": Message("Embedding"), "joined": Message("Multi-stage features")}


def layers_setting(default: str = "joined", *, label: Text = Message("Head sees")) -> Any:
    """Declare the choice between the embedding and multi-stage features, for methods with a head of their own."""
    help_text = Message("last: the network's embedding; joined: its earlier stages or blocks too.")
    return setting(default, label=label, help=help_text, choices=LAYERS, advanced=True)


@dataclass(frozen=True, slots=True)
class ParameterCount:
    trainable: int
    total: int

    @property
    def share(self) -> float:
        return self.trainable / self.total


def count_parameters(
    backbone: Backbone,
    method: Method[Any],
    *,
    classes: int,
    options: MethodOptions | None = None,
    shape: InputShape | None = None,
) -> ParameterCount:
    """Count the parameters without building the network; fewer are trained where stages are frozen."""
    chosen = options or method.options()
    injected = method.injected_parameters(backbone.shape, chosen)
    head = method.head_parameters(sum(method.head_parts(backbone, chosen)), classes, chosen)
    body = backbone.parameters_at(shape or backbone.input_shape())
    return ParameterCount((body if method.trains_network else injected) + head, body + injected + head)
