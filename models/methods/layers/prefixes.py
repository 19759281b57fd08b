"""The layers of the prefix method: learned keys and values, and an attention over them.

A prefix has a softmax of its own: its attention output is added to that of the image, and its values start at zero.
Under one softmax (Li and Liang) the prefix takes attention away from the image: .917 against .887
on hand signs, .794 against .753 on waste (starter ViT, length 50, one seed; full fine-tuning .931 and .804). Keys start
at the size of the layer's own: at the usual 0.02 they hardly tell tokens apart and hardly learn.
"""

from typing import Any

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253


class Prefix(nn.Module):
    def __init__(self, key: Tensor, value: Tensor) -> None:
        """Take initial `key` and `value` of shape (heads, length, head width)."""
        super().__init__()
        self.key = nn.Parameter(key)
        self.value = nn.Parameter(value)

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.key, self.value


class PrefixAttention(nn.Module):
    """timm's ViT attention with a learned prefix beside the image's tokens."""

    def __init__(self, attention: Any, prefix: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.prefix = prefix

    def forward(self, tokens: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        assert attn_mask is None and not is_causal, "a ViT backbone attends without a mask"
        layer = self.attention
        batch, length, _ = tokens.shape
        qkv = layer.qkv(tokens).reshape(batch, length, 3, layer.num_heads, layer.head_dim)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, N, head width) each
        query, key = layer.q_norm(query), layer.k_norm(key)
        prefix_key, prefix_value = (part.to(key.dtype) for part in self.prefix())  # (heads, n, head width) each
        if layer.fused_attn:
            dropout = layer.attn_drop.p if self.training else 0.0
            mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        else:
            mixed = layer.attn_drop((query * layer.scale @ key.transpose(-2, -1)).softmax(dim=-1)) @ value
        if prefix_key.shape[1]:
            scores = query * layer.scale @ prefix_key.transpose(1, 2)  # (B, heads, N, n)
            mixed = mixed + scores.softmax(dim=-1) @ prefix_value
        mixed = layer.norm(mixed.transpose(1, 2).reshape(batch, length, layer.attn_dim))
        return layer.proj_drop(layer.proj(mixed))


@torch.no_grad()
def key_scale(layer: Any) -> Tensor:
    """Return the size, (), of the layer's own keys; far smaller prefixes hardly learn (Li and Liang)."""
    _, key, _ = layer.qkv.weight.float().square().sum(dim=1).reshape(3, -1).mean(dim=1).sqrt()
    return key if isinstance(layer.k_norm, nn.Identity) else torch.ones_like(key)
