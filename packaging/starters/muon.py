"""The optimiser of the pretraining: Muon for hidden matrices, AdamW for everything else.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) orthogonalises the momentum of each matrix; the
update is scaled to the size of an AdamW update (arXiv 2502.16982), so one learning rate serves both.
"""

from __future__ import annotations

import math

import torch
from torch import nn


def orthogonalized(matrix: torch.Tensor, *, steps: int = 5) -> torch.Tensor:
    """Return about ``U V^T`` of ``matrix = U S V^T`` by a quintic Newton-Schulz iteration, on CUDA in bfloat16.

    Args:
        matrix: Shape ``(R, C)``.
        steps: Iterations; five bring singular values to about 0.7..1.2.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    # Most CPUs multiply bfloat16 by detours, at a tenth of float32's speed.
    x = matrix.bfloat16() if matrix.is_cuda else matrix.float()
    is_tall = x.shape[0] > x.shape[1]
    x = x.T if is_tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if is_tall else x).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum; convolution kernels count as matrices ``(out, in * kh * kw)``."""

    def __init__(
        self, parameters: list[nn.Parameter], *, lr: float, momentum: float = 0.95, weight_decay: float = 0.05
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update all parameters with a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                direction = parameter.grad.lerp(momentum, group["momentum"]).flatten(1)
                scale = 0.2 * math.sqrt(max(direction.shape))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(orthogonalized(direction).view_as(parameter), alpha=-group["lr"] * scale)


def build_optimizers(backbone: nn.Module, heads: list[nn.Parameter], *, lr: float) -> list[torch.optim.Optimizer]:
    """Split parameters between Muon (hidden matrices of the backbone) and AdamW (first layer, norms, biases, heads)."""
    hidden, decayed, rest = [], list(heads), []
    for name, parameter in backbone.named_parameters():
        is_first_layer = name.startswith(("conv1.", "patch_embed.", "pos_embed"))
        if parameter.ndim >= 2 and not is_first_layer:
            hidden.append(parameter)
        elif parameter.ndim >= 2 and "pos_embed" not in name:
            decayed.append(parameter)
        else:
            rest.append(parameter)
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    return [Muon(hidden, lr=lr), torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98))]
