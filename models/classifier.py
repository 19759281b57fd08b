"""`build_classifier`: the one deep interface between the engine and the backbones and methods behind it."""

import copy
from functools import partial
from typing import Any, Self

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions
from models.networks import LoadReport, WeightsLoader, build_network
from models.shapes import InputShape
from visionft.core.messages import Message


def fastest_order(device: torch.device) -> torch.memory_format:
    """Return the fastest memory order of convolutions on a device; see `TrainableClassifier.to_device`."""
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


class TrainableClassifier(nn.Module):
    """A backbone with a fresh head, made trainable by one method; `loaded` are its pretrained weights, if any."""

    def __init__(
        self,
        network: Any,
        backbone: Backbone,
        method: Method[Any],
        options: MethodOptions,
        *,
        loaded: LoadReport | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.backbone = backbone
        self._method = method
        self.options = options
        self.loaded = loaded

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised images to (B, C) logits."""
        return self.network(images)

    def features(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised images to their (B, D) embedding; the parts of `head_parts` side by side."""
        return self.network.forward_head(self.network.forward_features(images), pre_logits=True)

    def stages(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised images to (B, D') multi-stage features, for any kind of head."""
        from models.methods.layers import Stages

        return Stages(self.backbone)(self.body, images)[1]

    def with_stages(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, H, W) normalised images to (B, C) logits and (B, D') multi-stage features, in one pass."""
        from models.methods.layers import Stages

        return Stages(self.backbone).with_logits(self.network, images)

    @property
    def stage_widths(self) -> tuple[int, ...]:
        """Return the widths of the parts of `stages`; their sum is D'."""
        return self.backbone.shape.joined_widths(self.backbone.features)

    @property
    def reads_stages(self) -> bool:
        """Tell whether `features` are the last D of the D' values of `stages`; without a square root they are."""
        return hasattr(self.network, "seen_of") or not self.backbone.shape.has_rooted_stages

    def seen_of(self, stages: Tensor) -> Tensor:
        """Return the input (B, D) of the head from (B, D') multi-stage features, where it `reads_stages`."""
        return stages[:, -sum(self.head_parts) :]

    @property
    def body(self) -> Any:
        """Return timm's own network, without the wrapper of a method."""
        return getattr(self.network, "body", self.network)

    @property
    def head_parts(self) -> tuple[int, ...]:
        """Return the widths of the head's inputs; their sum is D."""
        return self._method.head_parts(self.backbone, self.options)

    @property
    def may_leave_parts_out(self) -> bool:
        """Tell whether the head may pass over all parts but the network's own embedding."""
        return self._method.may_leave_parts_out(self.options)

    @property
    def head(self) -> nn.Module:
        """Return the classifier head, (B, D) to (B, C) logits: a linear layer, unless the method says else."""
        return self.network.get_classifier()

    @property
    def linear_head(self) -> nn.Linear:
        assert isinstance(self.head, nn.Linear)
        return self.head

    def load_head(self, state: dict[str, Tensor]) -> None:
        self._method.shape_head(self.head, state)
        self.head.load_state_dict(state)

    def train(self, mode: bool = True) -> "TrainableClassifier":
        """Switch to training; batch-norm statistics of frozen parts, and those the method keeps, stay as they are.

        PEFT methods would otherwise move statistics outside their checkpoints (peft issue 1732).
        """
        super().train(mode)
        keeps_all = self.loaded is not None and self._method.keeps_statistics
        for module in self._norms(are_frozen=not keeps_all):
            module.eval()
        return self

    def _norms(self, *, are_frozen: bool) -> list[nn.Module]:
        """Return the batch norms of the network; with `are_frozen` those without a trainable parameter."""
        norms = [module for module in self.network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
        return [norm for norm in norms if not (are_frozen and any(each.requires_grad for each in norm.parameters()))]

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Return the trainable parameters for an optimiser; a group's `lr_scale` multiplies the learning rate."""
        return self._method.parameter_groups(self.network, self.options, weight_decay)

    def trainable_names(self) -> list[str]:
        """Return the names of a checkpoint's tensors: trainable parameters and moving buffers."""
        frozen = {id(buffer) for norm in self._norms(are_frozen=True) for buffer in norm.buffers()}
        names = [name for name, parameter in self.network.named_parameters() if parameter.requires_grad]
        if self._method.moves_buffers:
            kept = self.network.state_dict().keys()  # without buffers that never change, such as a blur's kernel
            names += [name for name, each in self.network.named_buffers() if id(each) not in frozen and name in kept]
        return names

    def trainable_state(self) -> dict[str, Tensor]:
        state = self.network.state_dict()
        return {name: state[name] for name in self.trainable_names()}

    def load_trainable_state(self, state: dict[str, Tensor]) -> None:
        """Load a state of `trainable_state` (ValueError: of another backbone, method or class list)."""
        start = self.backbone.head + "."
        of_head = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
        self._method.shape_head(self.head, of_head)
        own = self.trainable_state()
        if odd := sorted(own.keys() ^ state.keys()):
            text = Message("the checkpoint differs from the model in {odd} tensors, such as {odd2}")
            raise ValueError(Message(text, odd=len(odd), odd2=odd[0]))
        for name, value in state.items():
            if own[name].shape != value.shape:
                raise ValueError(
                    Message(
                        "{name} is {shape} in the checkpoint, {shape2} here",
                        name=name,
                        shape=tuple(value.shape),
                        shape2=tuple(own[name].shape),
                    )
                )
        self.network.load_state_dict(state, strict=False)

    def interpolated(self, start: dict[str, Tensor], end: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        return self._method.interpolated(start, end, share)

    def merged(self) -> nn.Module:
        """Return a CPU fp32 copy of equal outputs: LoRA folded in, adapters as plain layers, prefixes as constants."""
        network = copy.deepcopy(self.network).float().cpu().to(memory_format=torch.contiguous_format).eval()
        self._method.merge(network)
        return network.requires_grad_(False)

    def to_device(self, device: torch.device | str, *, precision: str = "fp32") -> Self:
        """Move to a device, in place, and choose the fastest layout and attention there.

        Convolutions channels last (NHWC), as CUDA's tensor cores and oneDNN do: with another order they convert every
        input and output, and a training step of a ResNet takes 1.2 to 1.6 times as long. Attention by torch's fused
        kernel, but not on a CPU in half precision, where a step takes 1.4 to 1.8 times as long with it as by plain
        matrix products. (Measured on one core of an AVX-512 server.)
        """
        target = torch.device(device)
        for module in self.network.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = target.type != "cpu" or precision == "fp32"
        self.to(device=target, memory_format=fastest_order(target))  # type: ignore[call-overload]
        return self

    def release(self) -> None:
        """Give its memory back now; it cannot be used any more.

        A network sits in reference cycles (accelerate's and peft's), so it would stay until the collector comes; in the
        window it runs on another thread and much later.
        """
        device = next(self.parameters()).device
        for tensor in (*self.parameters(), *self.buffers()):
            tensor.grad = None
            tensor.data = tensor.data.new_empty(0)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        elif device.type == "mps":
            torch.mps.empty_cache()

    def shrink_frozen(self, dtype: torch.dtype) -> None:
        """Keep the frozen matrices in a smaller type: for training under autocast, never before `merged`."""
        for module in self.network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                for parameter in module.parameters(recurse=False):
                    if not parameter.requires_grad:
                        parameter.data = parameter.data.to(dtype)

    def parameter_counts(self) -> tuple[int, int]:
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in self.network.parameters()]
        return sum(size for size, trainable in sizes if trainable), sum(size for size, _ in sizes)


def build_classifier(
    backbone: Backbone,
    method: Method[Any],
    *,
    classes: int,
    options: MethodOptions | None = None,
    weights: WeightsLoader | None,
    shape: InputShape | None = None,
    seed: int = 0,
) -> TrainableClassifier:
    """Build a classifier for inputs of (height, width): network, weights, a fresh head, the method's trainable parts.

    `weights` loads all but the head; None leaves the network random. `seed` decides every fresh value; the caller's
    random state is left alone.
    """
    chosen: MethodOptions = options or method.options()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        build = partial(
            build_network,
            backbone,
            shape=shape or backbone.input_shape(),
            scratch=weights is None,
        )
        network = build(classes=classes)
        loaded = weights(network, backbone) if weights else None
        if weights is None:  # a random body depends on the seed alone: the features stay the same with one more class
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network.load_state_dict(build(classes=0).state_dict(), strict=False)
        network.requires_grad_(False)
        network = method.inject(network, backbone, chosen)
    network.get_classifier().requires_grad_(True)
    return TrainableClassifier(network, backbone, method, chosen, loaded=loaded)
