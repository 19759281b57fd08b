"""Where a network looked: Grad-CAM for a ResNet, gradient-weighted attention for a ViT, whatever the method inside.

Both see only what every method shares: the output of a ResNet's last stage, and the attention of a ViT's blocks. So
LoRA, adapters and prefixes are explained as they were trained, unmerged.
"""

from typing import Any

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.overrides import TorchFunctionMode  # noqa: TID253

from models.classifier import Classifier

GRAD_CAM, ATTENTION = "Grad-CAM", "attention"


def method_for(classifier: Classifier) -> str:
    """Return the name of the method that explains this family of network."""
    return ATTENTION if classifier.backbone.family == "vit" else GRAD_CAM


def explain_batch(classifier: Classifier, inputs: Tensor, class_indices: Tensor) -> Tensor:
    """Return (B, rows, columns) maps >= 0 of what spoke for a class, in the coarse grid of the network.

    Args:
        classifier: In evaluation mode.
        inputs: (B, 3, S, S) normalised pictures.
        class_indices: (B,) the class to explain of each picture.
    """
    with torch.enable_grad():
        # Frozen parameters make no graph; a picture that wants a gradient does.
        inputs = inputs.detach().requires_grad_(True)
        if classifier.backbone.family == "vit":
            return _attention_map(classifier, inputs, class_indices)
        return _grad_cam(classifier, inputs, class_indices)


def _grad_cam(classifier: Classifier, inputs: Tensor, class_indices: Tensor) -> Tensor:
    """Return relu(sum over channels of mean gradient x activation), last stage (arXiv:1610.02391, eq. 1 and 2)."""
    kept = _Kept()
    handle = classifier.network.layer4.register_forward_hook(kept)
    try:
        score = _score(classifier, inputs, class_indices)
    finally:
        handle.remove()
    (gradient,) = torch.autograd.grad(score, kept.output)  # (B, D, h, w)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return (weights * kept.output).sum(dim=1).clamp_min(0).detach()


def _attention_map(classifier: Classifier, inputs: Tensor, class_indices: Tensor) -> Tensor:
    """Return the relevance of each patch: attention weighted by its gradient, chained through the blocks.

    R <- R + A' R with A' = mean over heads of relu(dy/dA * A) (Chefer et al. 2021, arXiv:2103.15679, eq. 5 and 6);
    what the head pools asks R where it came from: the class token, or, where all tokens are averaged, each one by its
    own part in the logit. Keys that are no token of the picture (a prefix) take no part.
    """
    network, kept = classifier.network, _Kept()
    handle = network.blocks[-1].register_forward_hook(kept)
    try:
        with _RecordedAttention() as recorded:
            score = _score(classifier, inputs, class_indices)
    finally:
        handle.remove()
    maps = recorded.maps[: len(network.blocks)]  # a head that pools by attention computes one more
    if len(maps) != len(network.blocks):
        raise RuntimeError(f"{len(maps)} attention maps for {len(network.blocks)} blocks")
    of_tokens, *of_maps = torch.autograd.grad(score, [kept.output, *maps])
    count = of_tokens.shape[1]
    relevance = torch.eye(count, device=inputs.device).expand(len(inputs), -1, -1)  # (B, N, N)
    for attention, gradient in zip(maps, of_maps, strict=True):
        weighted = (attention * gradient).clamp_min(0).mean(dim=1)[..., -count:]  # (B, N, N), without prefix keys
        relevance = relevance + weighted @ relevance
    if network.global_pool == "token":
        asked = relevance[:, 0]
    else:
        parts = (of_tokens * kept.output).sum(dim=-1).clamp_min(0)  # (B, N)
        asked = (parts[:, None] @ relevance)[:, 0]
    patches = asked[:, network.num_prefix_tokens :]
    return patches.detach().reshape(len(inputs), *network.patch_embed.grid_size)


def _score(classifier: Classifier, inputs: Tensor, class_indices: Tensor) -> Tensor:
    """Return the sum of the chosen logits; its gradient is each picture's own, because pictures do not mix."""
    return classifier(inputs).gather(1, class_indices[:, None]).sum()


class _Kept:
    """A forward hook that keeps what its module returned."""

    output: Tensor

    def __call__(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        self.output = output


class _RecordedAttention(TorchFunctionMode):
    """Computes attention step by step and keeps its maps, in place of the fused kernel that hides them.

    The mode holds for this thread only, and for every attention that calls torch's function: timm's, with LoRA inside
    or an adapter behind, and the prefix method's own.

    Attributes:
        maps: (B, heads, N, keys) of each block, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        query, key, value = args[:3]
        attention = (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)
        self.maps.append(attention)
        return attention @ value
