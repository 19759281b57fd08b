"""The table of fine-tuning methods: what each does, when to use it, what it refuses and what it adds. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass

from models.errors import ConfigError, Problem
from models.methods.options import AdapterOptions, FullOptions, LinearOptions, LoraOptions, MethodOptions, PrefixOptions
from models.shapes import (
    Family,
    ResNetShape,
    ViTShape,
    adapter_parameters,
    lora_parameters,
    no_parameters,
    prefix_parameters,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One way to fine-tune.

    Attributes:
        options: Its settings class.
        learning_rate: Peak rate that suits it under AdamW at batch 32 and, where the rate follows the width, for a
            network 768 wide.
        follows_width: Whether the rate falls as the network gets wider; a head alone has none of its layers.
        refusals: Reason by family for which it does not exist.
        injected_parameters: Count of what it adds, given shape and options.
    """

    name: str
    title: str
    summary: str
    when: str
    options: type[MethodOptions]
    learning_rate: float
    follows_width: bool
    unsupported: dict[Family, str]
    injected_parameters: Callable[[ViTShape | ResNetShape, MethodOptions], int]


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="full",
            title="Full fine-tuning",
            summary="Every weight of the network learns.",
            when="You have many pictures, or they look nothing like everyday photographs.",
            options=FullOptions,
            learning_rate=3e-4,
            follows_width=True,
            unsupported={},
            injected_parameters=no_parameters,
        ),
        Method(
            name="linear",
            title="Linear probe",
            summary="Only the last layer learns; the network stays as it is.",
            when="You want an answer in seconds, or have only a few pictures.",
            options=LinearOptions,
            learning_rate=3e-3,
            follows_width=False,
            unsupported={},
            injected_parameters=no_parameters,
        ),
        Method(
            name="lora",
            title="LoRA",
            summary="Small low-rank updates learn beside the frozen weights and fold into them at export.",
            when="Nearly full fine-tuning's accuracy for a few percent of the memory. The usual choice.",
            options=LoraOptions,
            learning_rate=1.5e-3,
            follows_width=True,
            unsupported={},
            injected_parameters=lora_parameters,
        ),
        Method(
            name="adapter",
            title="Adapter",
            summary="Small bottleneck layers learn between the frozen ones.",
            when="As LoRA, and when the new task differs more from the old one.",
            options=AdapterOptions,
            learning_rate=6e-4,
            follows_width=True,
            unsupported={},
            injected_parameters=adapter_parameters,
        ),
        Method(
            name="prefix",
            title="Prefix",
            summary="A few learned tokens steer each attention of a frozen ViT.",
            when="The smallest possible change: about a thousandth of the weights.",
            options=PrefixOptions,
            learning_rate=4e-2,
            follows_width=True,
            unsupported={"resnet": "a ResNet has no attention for prefix tokens to enter; choose LoRA or adapter"},
            injected_parameters=prefix_parameters,
        ),
    )
}


def get_method(name: str) -> Method:
    """Return the row of `METHODS`, or raise a `ConfigError` that lists the names."""
    if name not in METHODS:
        raise ConfigError((Problem("method", f"there is no method {name!r}", f"Choose one of {', '.join(METHODS)}."),))
    return METHODS[name]
