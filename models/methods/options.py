"""The settings of each fine-tuning method: frozen dataclasses whose metadata feeds form, command line and docs.

Torch-free: the window reads it before any job has started.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from models.errors import Problem


def setting(
    default: Any,
    *,
    label: str,
    help: str,  # noqa: A002
    minimum: float | None = None,
    maximum: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """Declare a dataclass field together with all that a form, a command line and a validator need to know of it.

    Args:
        default: The value of an untouched field.
        label: What a form calls it.
        help: One sentence on what it does and when to change it.
        minimum: Smallest allowed number, inclusive.
        maximum: Largest allowed number, inclusive.
        unit: Unit shown behind the value.
        choices: The allowed words of a text field.
        advanced: True hides it in a form until the user asks for it.
    """
    metadata = {
        "label": label,
        "help": help,
        "min": minimum,
        "max": maximum,
        "unit": unit,
        "choices": choices,
        "advanced": advanced,
    }
    return dataclasses.field(default=default, metadata=metadata)


def range_problems(settings: Any, *, prefix: str = "") -> list[Problem]:
    """Check each field of a settings dataclass against its own metadata and return every fault."""
    problems: list[Problem] = []
    for field in dataclasses.fields(settings):
        if message := _range_fault(getattr(settings, field.name), field.metadata):
            problems.append(Problem(prefix + field.name, message))
    return problems


def _range_fault(value: Any, metadata: Any) -> str:
    choices, low, high = metadata.get("choices"), metadata.get("min"), metadata.get("max")
    if choices and value not in choices:
        return f"{value!r} is not one of {', '.join(choices)}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if value != value:
        return "must be a number"
    if low is not None and value < low:
        return f"must be at least {low:g}, got {value:g}"
    if high is not None and value > high:
        return f"must be at most {high:g}, got {value:g}"
    return ""


def _head_rate(default: float) -> Any:
    """Declare the rate of the classifier head, for methods whose own rate may not suit it."""
    return setting(
        default,
        label="Head rate",
        help="Learning rate of the classifier head relative to the rest.",
        minimum=0.001,
        maximum=10.0,
        advanced=True,
    )


@dataclass(frozen=True, kw_only=True)
class FullOptions:
    """Full fine-tuning: every parameter of the backbone moves."""

    layer_decay: float = setting(
        0.8,
        label="Layer-wise rate decay",
        help="Learning rate of each layer relative to the one above it; below 1 protects the early, general layers.",
        minimum=0.3,
        maximum=1.0,
        advanced=True,
    )
    frozen_stages: int = setting(
        0,
        label="Frozen stages",
        help="How many stages (ResNet) or blocks (ViT), counted from the input, stay as they are.",
        minimum=0,
        maximum=48,
        advanced=True,
    )


@dataclass(frozen=True, kw_only=True)
class LinearOptions:
    """Linear probe: only the classifier head learns. It has no settings of its own."""


@dataclass(frozen=True, kw_only=True)
class LoraOptions:
    """Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685): W + (alpha / rank) B A."""

    rank: int = setting(
        8, label="Rank", help="Rank of each update; more can fit more, and trains more.", minimum=1, maximum=256
    )
    alpha: float = setting(
        16.0,
        label="Alpha",
        help="Scale of the update (alpha / rank); twice the rank is usual.",
        minimum=0.1,
        maximum=1024,
    )
    dropout: float = setting(
        0.0,
        label="Dropout",
        help="Share of the update's inputs dropped while training, against overfitting.",
        minimum=0.0,
        maximum=0.9,
        advanced=True,
    )
    targets: str = setting(
        "qkv",
        label="ViT layers",
        help="Which layers of a ViT get an update: qkv; attention (qkv and proj); all (also the MLP). "
        "A ResNet gets one in each block convolution.",
        choices=("qkv", "attention", "all"),
        advanced=True,
    )
    variant: str = setting(
        "lora",
        label="Variant",
        help="Plain LoRA; rslora scales by alpha / sqrt(rank) (arXiv:2312.03732); dora also learns "
        "magnitudes (arXiv:2402.09353).",
        choices=("lora", "rslora", "dora"),
        advanced=True,
    )
    head_rate: float = _head_rate(1.0)


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2021, arXiv:2005.00247)."""

    bottleneck: int = setting(
        32, label="Bottleneck", help="Width of the adapter's narrow layer.", minimum=1, maximum=1024, unit="channels"
    )
    placement: str = setting(
        "before",
        label="ViT placement",
        help="before: two adapters a block, before the attention and before the MLP; houlsby: after both; pfeiffer: "
        "one, after the MLP; parallel: one, beside the MLP.",
        choices=("before", "houlsby", "pfeiffer", "parallel"),
        advanced=True,
    )
    scaling: float = setting(
        4.0,
        label="Scaling",
        help="Factor on what an adapter adds; its first outputs are several times smaller than what they are added to.",
        minimum=0.01,
        maximum=10.0,
        advanced=True,
    )
    head_rate: float = _head_rate(1.0)


@dataclass(frozen=True, kw_only=True)
class PrefixOptions:
    """Learned keys and values in each attention (Li and Liang 2021, arXiv:2101.00190; Zhang et al. 2023)."""

    length: int = setting(
        5, label="Prefix length", help="How many learned tokens each attention also looks at.", minimum=0, maximum=256
    )
    softmax: str = setting(
        "own",
        label="Softmax",
        help="own: each attention adds what it finds in the prefix to what it finds in the picture; starts without "
        "effect. shared: the prefix competes with the picture, as Li and Liang had it; learns less well.",
        choices=("own", "shared"),
        advanced=True,
    )
    reparameterise: bool = setting(
        False,
        label="Reparameterise",
        help="Train the prefix through a small MLP, which Li and Liang found steadier; it is folded away at export.",
        advanced=True,
    )
    head_rate: float = _head_rate(0.015)


MethodOptions = FullOptions | LinearOptions | LoraOptions | AdapterOptions | PrefixOptions
