"""What a fine-tuning method is: everything that the engine asks of one, with the answers of a method that adds nothing.

A method is one file beside this one and one row in `models.methods.table`. Torch-free, as the window reads the table
before any job has started: a method imports torch inside its functions, and its layers from `models.methods.layers`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from models.catalog import Backbone
from models.errors import Problem
from models.settings import setting
from models.shapes import Family, ResNetShape, ViTShape, rate_factor

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """Base of every method's settings: a frozen dataclass whose fields are declared by `models.settings.setting`."""


OptionsT = TypeVar("OptionsT", bound=MethodOptions)


class Method(Generic[OptionsT]):
    """One way to fine-tune. The engine freezes the network, calls `inject`, and trains the head and what that unfroze.

    Attributes:
        name: Its key in the table, in settings and on the command line.
        title: Its name for people.
        summary: One sentence on what learns.
        when: One sentence on when to choose it.
        options: Its settings class.
        learning_rate: Peak rate that suits it under AdamW at batch 32 and, where the rate follows the width, for a
            network 768 wide.
        follows_width: Whether the rate falls as the network gets wider; a head alone has none of its layers.
        unsupported: Reason by family for which it does not exist.
        trains_network: Whether the backbone's own weights learn.
        moves_buffers: Whether training moves buffers (batch-norm statistics), so that a checkpoint must hold them.
        caches_features: Whether what is below the head stays as it is, so that features are computed once.
        is_training_free: Whether its head is solved for at once and nothing is trained, unless its options say else.
        solution: How that head is found: a row of `visionft.heads.solutions`.
        reads_prompts: Whether what a person says of the classes is what it answers from.
        needs_labels: Whether it can do nothing without labelled pictures.
        usual_backbone: What it is offered with where it refuses the chosen network; empty: it is not offered.
        is_live: Whether its answers follow the labels of now: its knowledge is what is labelled, not what was learnt.
        interpolates: Whether what lies between two of its states is a classifier worth trying.
        exchange_folder: Folder of a run that other libraries load; empty where there is none.
    """

    name: str
    title: str
    summary: str
    when: str
    options: type[OptionsT]
    learning_rate: float
    follows_width: bool = True
    unsupported: ClassVar[Mapping[Family, str]] = {}
    trains_network: bool = False
    moves_buffers: bool = False
    caches_features: bool = False
    is_training_free: bool = False
    solution: str = "linear"
    reads_prompts: bool = False
    needs_labels: bool = True
    usual_backbone: str = ""
    is_live: bool = False
    exchange_folder: str = ""
    interpolates: bool = False

    # Torch-free ------------------------------------------------------------------------------------------------------

    def refusal(self, backbone: Backbone) -> str:
        """Return why it cannot be applied to a network; empty where it can."""
        return self.unsupported.get(backbone.family, "")

    def peak_rate(self, shape: ViTShape | ResNetShape, options: OptionsT) -> float:
        """Return the peak learning rate that suits it on a network, under AdamW at batch 32."""
        return self.learning_rate * (rate_factor(shape) if self.follows_width else 1.0)

    def head_parts(self, backbone: Backbone, options: OptionsT) -> tuple[int, ...]:
        """Return the widths of what the head sees side by side: the network's embedding alone, or more before it."""
        return (backbone.features,)

    def may_leave_parts_out(self, options: OptionsT) -> bool:
        """Tell whether the head may pass over all of these parts but the embedding."""
        return False

    def keeps_statistics(self, options: OptionsT) -> bool:
        """Tell whether batch norms whose weights learn keep the pretrained statistics; where they are frozen all do."""
        return False

    def is_closed_form(self, options: OptionsT) -> bool:
        """Tell whether the head's solution is all there is, so that a run has no epochs."""
        return self.is_training_free

    def templates(self, options: OptionsT) -> str:
        """Return which sentences stand around prompts (`visionft.zero_shot.templates`), where it reads any."""
        return "none"

    def looks_at_training_pictures(self, options: OptionsT) -> bool:
        """Tell whether labelled training pictures have a say in what it learns."""
        return True

    def head_parameters(self, width: int, classes: int, options: OptionsT) -> int:
        """Count the parameters of a head on `width` features before it is solved for."""
        return (width + 1) * classes

    def injected_parameters(self, shape: ViTShape | ResNetShape, options: OptionsT) -> int:
        """Count what `inject` adds to a network of that shape."""
        return 0

    def problems(self, backbone: Backbone, options: OptionsT, *, batch_size: int) -> list[Problem]:
        """Return the faults of options that are each in range but do not suit the backbone or the batch."""
        return []

    def needs_base_weights(self, options: OptionsT) -> bool:
        """Tell whether a checkpoint means something only beside the weights that it was trained from."""
        return True

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        """Return its options as this version writes them, from those of a settings file of format `version`."""
        return values

    # With torch ------------------------------------------------------------------------------------------------------

    def inject(self, network: Any, backbone: Backbone, options: OptionsT) -> Any:
        """Add to a frozen timm network what shall learn beside the head, or unfreeze it, and return what to train.

        That is the same network, changed in place, or one around it that answers the same questions.

        Raises:
            ConfigError: It cannot be applied to this network.
        """
        return network

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        """Give a head, in place, the shapes of a state that it will be loaded with, where they follow the pictures."""

    def merge(self, network: Any) -> None:
        """Fold into the weights, in place, what can be folded; the outputs stay the same."""

    def parameter_groups(self, network: Any, options: OptionsT, weight_decay: float) -> list[dict[str, Any]]:
        """Group the trainable parameters for an optimiser; `lr_scale` multiplies the learning rate.

        No decay on norms and biases, nor where `decays` says so; scales are those of `lr_scales`.
        """
        scales = {id(parameter): scale for parameter, scale in self.lr_scales(network, options)}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                decay = weight_decay if parameter.ndim >= 2 and self.decays(name) else 0.0
                groups.setdefault((decay, scales.get(id(parameter), 1.0)), []).append(parameter)
        return [
            {"params": parameters, "weight_decay": decay, "lr_scale": scale}
            for (decay, scale), parameters in groups.items()
        ]

    def lr_scales(self, network: Any, options: OptionsT) -> "Iterator[tuple[nn.Parameter, float]]":
        """Give each parameter whose learning rate is not the run's own, with the factor on it."""
        yield from ()

    def decays(self, parameter_name: str) -> bool:
        """Tell whether weight decay may act on a matrix of that name."""
        return True

    def interpolated(self, start: "dict[str, Tensor]", end: "dict[str, Tensor]", share: float) -> "dict[str, Tensor]":
        """Return the trainable state `share` of the way from `start` to `end`; counters and such are those of `end`."""
        return {
            name: value
            if self.is_scaled_elsewhere(name) or not value.is_floating_point()
            else _between(start[name], value, share)
            for name, value in end.items()
        }

    def is_scaled_elsewhere(self, name: str) -> bool:
        """Tell whether a tensor is the one factor of a product whose other factor is zero at the start.

        Such a product is scaled by that other one alone; both would scale it twice.
        """
        return False

    def settle_layout(self, network: Any, options: OptionsT) -> None:
        """Correct, in place, the memory order that moving to a device gave; convolutions are channels last by then."""

    def save_exchange(self, network: Any, folder: Path, *, backbone: Backbone, options: OptionsT) -> None:
        """Write what other libraries load into the run's `exchange_folder`."""


def _between(start: "Tensor", end: "Tensor", share: float) -> "Tensor":
    return start.to(end.dtype).lerp(end, share)


def head_rate(default: float) -> Any:
    """Declare the rate of the classifier head, for methods whose own rate may not suit it."""
    return setting(
        default,
        label="Head rate",
        help="Learning rate of the classifier head relative to the rest.",
        minimum=0.001,
        maximum=10.0,
        advanced=True,
    )


def head_scales(network: Any, scale: float) -> "Iterator[tuple[nn.Parameter, float]]":
    """Give the parameters of a timm network's classifier head, each with `scale`."""
    for parameter in network.get_classifier().parameters():
        yield parameter, scale
