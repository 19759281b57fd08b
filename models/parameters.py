"""How many parameters a backbone has and trains under a method, computed from shapes. Torch-free.

The window can so show them at once; a contract test holds them against the real modules.
"""

from dataclasses import dataclass
from typing import Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """What trains and what there is, head included."""

    trainable: int
    total: int

    @property
    def share(self) -> float:
        """Return the trainable share of all parameters, between 0 and 1."""
        return self.trainable / self.total


def count_parameters(
    backbone: Backbone,
    method: Method[Any],
    *,
    classes: int,
    options: MethodOptions | None = None,
    image_size: int | None = None,
) -> ParameterCount:
    """Count trainable and total parameters of `backbone` under `method`, without building either.

    Where stages stay frozen under full fine-tuning the true count is lower; the classifier reports it when it is built.
    """
    chosen = options or method.options()
    injected = method.injected_parameters(backbone.shape, chosen)
    head = method.head_parameters(sum(method.head_parts(backbone, chosen)), classes, chosen)
    body = backbone.parameters_at(image_size or backbone.input_size)
    return ParameterCount((body if method.trains_network else injected) + head, body + injected + head)
