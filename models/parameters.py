"""How many parameters a backbone has and trains under a method, computed from shapes. Torch-free.

The window can so show them at once; a contract test holds them against the real modules.
"""

from dataclasses import dataclass
from typing import Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions
from models.shapes import InputShape


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
