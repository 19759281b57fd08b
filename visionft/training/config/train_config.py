"""The settings of a training run: a frozen dataclass, the one source for form, command line and docs. Torch-free."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from models.backbone import RESTRICTED_LICENCES
from models.catalog import DEFAULT_BACKBONE, Backbone, get_backbone
from models.methods.method import Method, MethodOptions
from models.methods.table import DEFAULT_METHOD, METHODS, get_method
from models.settings import setting
from visionft.errors import ConfigError, Problem
from visionft.training.config.settings import assign, build

# 2: a prefix has a softmax of its own unless `prefix.softmax` says otherwise. 3: `head_start` is called `ridge_init`.
# 4: a linear probe is solved in closed form, over several stages, unless `linear.solver` and `linear.layers` say else.
FORMAT_VERSION = 4
NETWORK = "network"  # in a run's `config.json`: how timm builds its network, for other programs; nothing here reads it

INTERPOLATION_SHARES = (0.75, 0.5, 0.25)  # of the way from the start to the best epoch, tried at the end of a run


_T = TypeVar("_T")


def _with_method_options(cls: type[_T]) -> type[_T]:
    """Declare a field for the options of each method, by its name; `@dataclass` then makes them like the others."""
    for method in METHODS.values():
        cls.__annotations__[method.name] = method.options
        setattr(cls, method.name, field(default_factory=method.options))
    return cls


@dataclass(frozen=True, kw_only=True)
@_with_method_options
class TrainConfig:
    """Everything that decides a run besides the pictures. What a field calls `automatic` leaves it to the program.

    Beside the fields below it has one for each method of the table: `lora`, `adapter` ...
    """

    backbone: str = setting(
        DEFAULT_BACKBONE, label="Backbone", help="The pretrained network to start from: of the catalog, or timm/NAME."
    )
    method: str = setting(
        DEFAULT_METHOD, label="Method", help="How much of the network learns.", choices=tuple(METHODS)
    )
    weights: str = setting(
        "pretrained",
        label="Weights",
        help="pretrained; random (from scratch); or the path of a .safetensors or .pth file.",
        advanced=True,
    )
    accept_licence: str = setting(
        "",
        label="Accepted licence",
        help="The licence of pretrained weights that forbids commercial use, or is not known, and that you accept.",
        choices=("", *RESTRICTED_LICENCES),
        advanced=True,
    )
    start_from: str = setting(
        "",
        label="Start from run",
        help="Another run of this project whose best weights this one begins with. Empty: the pretrained network.",
        advanced=True,
    )
    epochs: int = setting(20, label="Epochs", help="How often training sees every picture.", minimum=1, maximum=10_000)
    batch_size: int = setting(
        32, label="Batch size", help="Pictures per step; smaller needs less memory.", minimum=1, maximum=4096
    )
    learning_rate: float = setting(
        0.0,
        label="Learning rate",
        help="Peak step size. 0 takes the one that suits the method and batch size.",
        minimum=0.0,
        maximum=10.0,
        automatic=0,
    )
    weight_decay: float = setting(
        0.05,
        label="Weight decay",
        help="Pull of the weights towards zero, against overfitting; never on norms and biases.",
        minimum=0.0,
        maximum=1.0,
        advanced=True,
    )
    warmup_share: float = setting(
        0.1,
        label="Warm-up",
        help="Share of the run in which the learning rate rises before it falls along a cosine.",
        minimum=0.0,
        maximum=0.9,
        advanced=True,
    )
    label_smoothing: float = setting(
        0.1,
        label="Label smoothing",
        help="Share of each target spread over the other classes; steadier with imperfect labels.",
        minimum=0.0,
        maximum=0.5,
        advanced=True,
    )
    gradient_clip: float = setting(
        1.0,
        label="Gradient clipping",
        help="Largest gradient norm of a step. 0 never clips.",
        minimum=0.0,
        maximum=1000.0,
        advanced=True,
    )
    augmentation: str = setting(
        "light",
        label="Augmentation",
        help="Random changes to training pictures: none; light (crop, flip); medium (also colour, rotation, blur).",
        choices=("none", "light", "medium"),
    )
    image_size: int = setting(
        0,
        label="Picture size",
        help="Side of the square the network sees. 0 takes the backbone's own; larger shows finer detail, slower.",
        minimum=0,
        maximum=1024,
        unit="px",
        automatic=0,
    )
    detail: float = setting(
        2.0,
        label="Detail kept",
        help="Pictures are shrunk to about this multiple of the picture size and kept so on disk, before any crop.",
        minimum=1.0,
        maximum=8.0,
        advanced=True,
    )
    seed: int = setting(0, label="Seed", help="Same seed, same run.", minimum=0, maximum=2**31 - 1, advanced=True)
    device: str = setting(
        "auto",
        label="Device",
        help="auto takes the GPU when there is one.",
        choices=("auto", "cpu", "cuda", "mps"),
        advanced=True,
    )
    precision: str = setting(
        "auto",
        label="Precision",
        help="auto: bf16 or fp16 on a GPU, bf16 on a CPU that is made for it, else fp32. The weights are always fp32.",
        choices=("auto", "fp32", "bf16", "fp16"),
        advanced=True,
    )
    workers: int = setting(
        -1,
        label="Loader processes",
        help="Processes that read pictures ahead. -1 decides by the number of pictures and cores.",
        minimum=-1,
        maximum=64,
        advanced=True,
        automatic=-1,
    )
    micro_batch_size: int = setting(
        0,
        label="Micro-batch",
        help="Pictures that go through the network at once; gradients add up to the batch size. 0: the whole batch.",
        minimum=0,
        maximum=4096,
        advanced=True,
    )
    optimizer: str = setting(
        "adamw", label="Optimiser", help="adamw suits nearly everything.", choices=("adamw", "sgd"), advanced=True
    )
    patience: int = setting(
        0,
        label="Early stopping",
        help="Stop after this many epochs without a better one. 0 never stops early.",
        minimum=0,
        maximum=10_000,
        unit="epochs",
    )
    balance: str = setting(
        "none",
        label="Rare classes",
        help="none; weights (a rare class counts more in the loss); sampling (its pictures come more often).",
        choices=("none", "weights", "sampling"),
    )
    mixup: float = setting(
        0.0,
        label="Mixup",
        help="Alpha of blending pairs of pictures; 0.2 to 0.8 helps long runs against overfitting. 0 is off.",
        minimum=0.0,
        maximum=4.0,
        advanced=True,
    )
    cutmix: float = setting(
        0.0,
        label="CutMix",
        help="Alpha of pasting a box of one picture into another; 1 is usual. 0 is off.",
        minimum=0.0,
        maximum=4.0,
        advanced=True,
    )
    ema_decay: float = setting(
        0.0,
        label="Weight averaging",
        help="Decay of a moving average of the weights that is kept in their place; 0.999 is usual. 0 is off.",
        minimum=0.0,
        maximum=0.99999,
        advanced=True,
    )
    interpolation: bool = setting(
        True,
        label="Interpolation",
        help="Try weights between the start and the best epoch at the end, and keep them where they validate better.",
        advanced=True,
    )
    ridge_init: bool = setting(
        True,
        label="Ridge initialisation",
        help="Begin with a classifier head computed in closed form from the network's features, not a random one.",
        advanced=True,
    )
    gradient_checkpointing: bool = setting(
        False,
        label="Save memory",
        help="Compute activations twice instead of keeping them: less memory, about a third slower.",
        advanced=True,
    )
    patch_dropout: float = setting(
        0.0,
        label="Patch dropout",
        help="Share of a ViT's picture patches left out in training; faster, a little less exact.",
        minimum=0.0,
        maximum=0.9,
        advanced=True,
    )
    progressive_resizing: float = setting(
        1.0,
        label="Progressive resizing",
        help="Share of the picture size that a ResNet starts with; it grows to the whole over the first two thirds.",
        minimum=0.25,
        maximum=1.0,
        advanced=True,
    )
    compile: bool = setting(
        False,
        label="Compile",
        help="Let torch.compile speed the network up; the first steps take a minute longer. Needs a C++ compiler (CPU) "
        "or Triton (GPU); without, training goes on uncompiled.",
        advanced=True,
    )
    tensorboard: bool = setting(
        False,
        label="TensorBoard",
        help="Also write the run's curves for TensorBoard (needs the package of that name).",
        advanced=True,
    )

    @property
    def backbone_row(self) -> Backbone:
        """Return the catalog's row of the backbone."""
        return get_backbone(self.backbone)

    @property
    def method_row(self) -> Method[Any]:
        """Return the table's row of the method."""
        return get_method(self.method)

    @property
    def method_options(self) -> MethodOptions:
        """Return the settings of the chosen method."""
        return getattr(self, self.method) if self.method in METHODS else self.method_row.options()

    @property
    def input_size(self) -> int:
        """Return the side of the network's square input, in pixels."""
        return self.image_size or self.backbone_row.input_size

    @property
    def total_epochs(self) -> int:
        """Return how many epochs a run has: none where the head's solution is all there is to learn."""
        return 0 if self.method_row.is_closed_form(self.method_options) else self.epochs

    @property
    def near_side(self) -> int:
        """Return about how many pixels of a picture's shorter side are looked at; see `data.decode`."""
        return round(self.input_size * self.detail)

    @property
    def needs_base_weights(self) -> bool:
        """Tell whether a checkpoint means something only beside the weights that the run started from."""
        return self.method_row.needs_base_weights(self.method_options)

    @property
    def peak_learning_rate(self) -> float:
        """Return the chosen rate, or what suits the method, the network's width and, by its square root, the batch."""
        at_32 = self.method_row.peak_rate(self.backbone_row.shape, self.method_options)
        suited = at_32 * math.sqrt(self.batch_size / 32)
        return self.learning_rate or suited

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with the format's version."""
        return {"format_version": FORMAT_VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Rebuild a config from `to_dict`'s values.

        Raises:
            ConfigError: The values come from a newer program or have unknown or mistyped entries.
        """
        values = dict(values)
        values.pop(NETWORK, None)
        version = values.pop("format_version", FORMAT_VERSION)
        if version > FORMAT_VERSION:
            problem = Problem("", "the settings were written by a newer VisionFT", "Update this program.")
            raise ConfigError((problem,))
        for method in METHODS.values():
            values[method.name] = method.upgrade(values.get(method.name, {}), version)
        if "head_start" in values:
            values["ridge_init"] = values.pop("head_start")
        return build(cls, values)

    def with_settings(self, assignments: Iterable[str]) -> Self:
        """Return a copy with `KEY=VALUE` texts applied; `lora.rank=4` reaches a method's own setting.

        Raises:
            ConfigError: A key is unknown or a value does not parse; all faults at once.
        """
        config, found = self, []
        for assignment in assignments:
            try:
                config = assign(config, assignment)
            except ConfigError as error:
                found += error.problems
        if found:
            raise ConfigError(tuple(found))
        return config
