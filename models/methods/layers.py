"""The layers that methods add to a timm network: multi-stage features, adapters, prefixes, and heads of their own."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.backbone import Backbone


class Stages:
    """Multi-stage features of a timm network; their `widths` add up to D."""

    def __init__(self, backbone: Backbone) -> None:
        self._shape = backbone.shape
        self.widths = backbone.shape.joined_widths(backbone.features)

    def __call__(self, body: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, H, W) normalised images to the output of `forward_features`, and to (B, D) joined features.

        The features are the mean over positions of each joined stage (patch tokens after the network's last norm, or a
        feature map), then the network's own embedding. If feature maps are never negative, as a ResNet's, the square
        root of all features is taken, to even out the few very active channels.
        """
        if depths := self._shape.joined_depths:
            has_norm = self._shape.has_tokens
            last, earlier = body.forward_intermediates(images, indices=list(depths), norm=has_norm)
        else:
            last = body.forward_features(images)
            earlier = []
        means = [stage.mean(dim=(2, 3)) for stage in earlier]
        joined = torch.cat([*means, body.forward_head(last, pre_logits=True)], dim=1)
        if self._shape.has_rooted_stages:
            joined = joined.clamp_min(1e-6).sqrt()  # the clamp keeps the slope of the root finite at zero
        return last, joined

    def with_logits(self, network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to (B, C) logits and (B, D) features; `network` is timm's, or a `JoinedNetwork` around it."""
        if isinstance(network, JoinedNetwork):
            _, joined = self(network.body, images)
            return network.forward_head(network.seen_of(joined)), joined
        last, joined = self(network, images)
        return network.forward_head(last), joined


class JoinedNetwork(nn.Module):
    """A timm network without its head, and a fresh one over several stages, of a ViT blocks.

    Earlier stages often separate the user's classes better than the last one (Head2Toe, Evci et al. 2022,
    arXiv:2201.03529): on the ImageNet ResNet's features of 900 images of trashnet, a linear head reaches an accuracy of
    .85, on the last stage alone .80.

    It has the interface of a timm network, and its head timm's name, so checkpoints read alike. The head maps (B, D)
    parts to (B, C) logits; `width` is D, where it sees the last parts only.
    """

    def __init__(
        self, body: Any, backbone: Backbone, *, classes: int, head: nn.Module | None = None, width: int = 0
    ) -> None:
        super().__init__()
        self.body = body
        self._head_name = backbone.head
        self._stages = Stages(backbone)
        self._width = width or sum(self._stages.widths)
        body.reset_classifier(0)
        parent, _, name = self._head_name.rpartition(".")
        owner = nn.Module() if parent else self  # of a head with a path, as `head.fc`
        if parent:
            self.add_module(parent, owner)
        owner.add_module(name, head or nn.Linear(self._width, classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised images to (B, D): the earlier parts, then the network's own embedding."""
        return self.seen_of(self._stages(self.body, images)[1])

    def seen_of(self, parts: Tensor) -> Tensor:
        """Return the input (B, D) of the head from all (B, D') parts."""
        return parts[:, -self._width :]

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Map (B, D) features to (B, C) logits; give them back where they are asked for."""
        return features if pre_logits else self.get_classifier()(features)

    def get_classifier(self) -> nn.Module:
        return self.get_submodule(self._head_name)


SCALING = 4.0  # an adapter's first outputs are several times smaller than its inputs


class Adapter(nn.Module):
    """Return h + 4 up(gelu(down(h))), over the last dimension (tokens) or channels (feature maps)."""

    def __init__(self, width: int, bottleneck: int, *, convolutional: bool) -> None:
        super().__init__()
        layer: Any = partial(nn.Conv2d, kernel_size=1) if convolutional else nn.Linear
        self.down = layer(width, bottleneck)
        self.activation = nn.GELU()
        self.up = layer(bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + SCALING * self.up(self.activation(self.down(hidden)))


class AdaptedLayer(nn.Module):
    def __init__(self, layer: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = adapter

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self.adapter(self.layer(hidden, *args, **kwargs))


class InputAdaptedLayer(AdaptedLayer):
    """A layer of a ViT with an adapter before it, on its normalised input tokens, so queries and keys change too.

    .935 and .761 after 10 epochs, against .914 and .752 beside the layer (starter ViT, 32 wide, hand signs and waste,
    one seed, 870 images validate; full fine-tuning .938 and .777), and beside it was no worse than Houlsby's placement,
    after it.
    """

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self.layer(self.adapter(hidden), *args, **kwargs)


SET_ASIDE = 4.0  # as `models.heads.knn`; a test holds them together
_MIN_DIVISOR = 1e-12  # a length or a sum that is divided by


class KnnHead(nn.Module):
    """Maps (B, D) features to (B, C) logits by the vote of its images, the arrays of a `KnnClassifier`.

    Plain operators only (products, TopK, comparisons), so an exported file needs nothing else.
    """

    mean: Tensor
    projection: Tensor
    weights: Tensor
    rows: Tensor
    lengths: Tensor
    labels: Tensor
    counts: Tensor
    classes: Tensor
    is_multilabel: Tensor
    neighbours: Tensor
    smoothing: Tensor
    border: Tensor
    image_ids: Tensor

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.out_features = classes
        self.temperature = nn.Parameter(torch.ones(()))
        integers = torch.int64
        for name, value in {
            "mean": torch.zeros(width),
            "projection": torch.zeros(width, 1),
            "weights": torch.zeros(1),
            "rows": torch.zeros(0, 1),
            "lengths": torch.zeros(0),
            "labels": torch.zeros(0, 1, dtype=integers),
            "counts": torch.zeros(0),
            "classes": torch.tensor(classes),
            "is_multilabel": torch.tensor(False),
            "neighbours": torch.tensor(1),
            "smoothing": torch.tensor(0.1),
            "border": torch.tensor(1.0),
            "image_ids": torch.zeros(0, dtype=integers),
        }.items():
            self.register_buffer(name, value)
        # As numbers: an export cannot look into tensors.
        self._voters, self._asks_each_class = 1, False
        self.register_load_state_dict_post_hook(_read_numbers)

    def take_shapes(self, state: Mapping[str, Tensor]) -> None:
        for name, value in self.named_buffers():
            if name in state and state[name].shape != value.shape:
                setattr(self, name, value.new_zeros(state[name].shape))

    def directions(self, features: Tensor) -> Tensor:
        """Map (B, D) features to (B, K) directions of length 1; their products with `rows` are cosines."""
        return F.normalize((features.float() - self.mean) @ self.projection, dim=1, eps=_MIN_DIVISOR)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, D) features to (B, C) logits: the logarithms of the probabilities, or of several labels the odds."""
        device = features.device.type
        if torch.is_autocast_enabled(device):  # half precision is too coarse for what a temperature divides
            with torch.autocast(device, enabled=False):
                return self.logits_of(self.directions(features))
        return self.logits_of(self.directions(features))

    def logits_of(self, directions: Tensor) -> Tensor:
        if not len(self.rows):
            return self.temperature * directions.new_zeros(len(directions), self.out_features)
        weighted = directions * self.weights
        lengths = (weighted * directions).sum(dim=1, keepdim=True).clamp_min(_MIN_DIVISOR).sqrt()
        products = weighted @ self.rows.T / self.lengths / lengths  # (B, N)
        is_double = directions @ self.rows.T >= self.border
        found, places = torch.where(is_double, products - SET_ASIDE, products).topk(self._voters, dim=1)  # (B, k)
        shares = ((found - found[:, :1]) / self.temperature).exp() * self.counts[places]
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(_MIN_DIVISOR)
        classes = torch.arange(self.out_features, device=directions.device)
        says = (self.labels[places][..., None] == classes).any(dim=2).to(shares.dtype)  # (B, k, C)
        votes = (shares[..., None] * says).sum(dim=1)
        floor = self.smoothing / (2 if self._asks_each_class else self.out_features)
        chances = (votes + floor) / (1 + self.smoothing)
        return chances.log() - (1 - chances).log() if self._asks_each_class else chances.log()


def _read_numbers(head: Any, _incompatible: Any) -> None:
    head._voters = max(1, min(int(head.neighbours), len(head.rows)))
    head._asks_each_class = bool(head.is_multilabel)


class Prefix(nn.Module):
    def __init__(self, key: Tensor, value: Tensor) -> None:
        """Take initial `key` and `value` of shape (heads, length, head width)."""
        super().__init__()
        self.key = nn.Parameter(key)
        self.value = nn.Parameter(value)

    def forward(self) -> tuple[Tensor, Tensor]:
        return self.key, self.value


class PrefixAttention(nn.Module):
    """timm's ViT attention with a learned prefix beside the image's tokens.

    A prefix has a softmax of its own: its output is added to the attention of the image, and its values start at zero.
    Under one softmax (Li and Liang) the prefix takes attention away from the image: .917 against .887 on hand signs,
    .794 against .753 on waste (starter ViT, length 50, one seed; full fine-tuning .931 and .804). Keys start at the
    size of the layer's own: at the usual 0.02 they hardly tell tokens apart and hardly learn.
    """

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


class TextHead(nn.Module):
    """Maps embeddings (B, D) to logits (B, C) by the texts of the classes: weight . P x / |P x| + bias.

    `P x` is the image in the common space of a CLIP's two sides, by `projection` (E, D) and `offset` (E,), which are
    empty where unused. A row of `weight` is the direction of a class's texts there, times the trained scale: inference
    needs no text encoder.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.zeros(0, width))
        self.offset = nn.Parameter(torch.zeros(0))
        self.weight = nn.Parameter(torch.zeros(classes, width))
        self.bias = nn.Parameter(torch.zeros(classes))

    def take_shapes(self, state: Mapping[str, Tensor]) -> None:
        for name, value in state.items():
            own = getattr(self, name)
            if own.shape != value.shape:
                own.data = own.data.new_zeros(value.shape)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, D) to (B, C), in full precision: cosines of classes differ in their third digit."""
        if torch.is_autocast_enabled(features.device.type):
            with torch.autocast(features.device.type, enabled=False):
                return self._logits(features.float())
        return self._logits(features.float())  # not `forward` again: accelerate wraps it

    def _logits(self, points: Tensor) -> Tensor:
        if len(self.projection):
            points = F.linear(points, self.projection, self.offset if len(self.offset) else None)
        return F.linear(F.normalize(points, dim=-1), self.weight, self.bias)
