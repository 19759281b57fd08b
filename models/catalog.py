"""The table of backbones: one row of `BACKBONES` each. Torch-free. Methods have theirs in `models.methods.table`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from models.errors import ConfigError, Problem
from models.pins import PINS, UNPINNED, Pin
from models.shapes import Family, ResNetShape, Stage, ViTShape
from models.starter import hybrid
from models.starter.architectures import STARTERS


class Normalisation(NamedTuple):
    """Mean and standard deviation per RGB channel, of pixels scaled to 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


_IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_HALF = Normalisation(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """One pretrained network a user can choose.

    Attributes:
        architecture: timm's name of the network, for `timm.create_model`.
        model_args: What `timm.create_model` is given beside it, where the network is not the one of that name.
        embedding: What it is given to build the network that makes a hybrid ViT's patches (timm's `HybridEmbed`).
        parameters: Count without a classifier head, at `input_size`.
        features: Channels of the pooled embedding (D).
        input_size: Default side of the square input, in pixels.
        crop_share: Share of the resized picture's shorter side that the centre crop keeps.
        hub_id: Hugging Face repository of the weights; empty where there is none.
        pin: The very file of that repository that is meant.
        bundled: Path under `models/` of weights that ship with the program; empty where none do.
        sha256: Hash of the file that ships with the program, checked before it is loaded.
        origin: Who made the weights that ship with the program.
    """

    name: str
    title: str
    summary: str
    family: Family
    architecture: str
    model_args: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    embedding: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    shape: ViTShape | ResNetShape
    parameters: int
    features: int
    input_size: int
    normalisation: Normalisation
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_share: float = 0.95
    hub_id: str = ""
    pin: Pin = UNPINNED
    licence: str = "Apache-2.0"
    bundled: str = ""
    sha256: str = ""
    origin: str = "VisionFT"

    @property
    def head(self) -> str:
        """Return timm's name of the classifier head in this family."""
        return "fc" if self.family == "resnet" else "head"

    @property
    def construction(self) -> dict[str, Any]:
        """Return how timm builds the network, for whoever loads its weights without this program."""
        built = {"library": "timm", "architecture": self.architecture, "model_args": dict(self.model_args)}
        return {**built, "hybrid_embedding": dict(self.embedding)} if self.embedding else built

    @property
    def hub_bytes(self) -> int:
        """Return how large the hub's file is, or about: float32, with a head for ImageNet's 1,000 classes."""
        return self.pin.bytes or 4 * (self.parameters + (self.features + 1) * 1000)

    @property
    def size_step(self) -> int:
        """Return what the input side must be a multiple of, in pixels."""
        return self.shape.patch if isinstance(self.shape, ViTShape) else 32

    def parameters_at(self, image_size: int) -> int:
        """Return the headless parameter count for inputs of `image_size` pixels (position embeddings grow)."""
        if not isinstance(self.shape, ViTShape):
            return self.parameters
        patches = [(size // self.shape.patch) ** 2 for size in (image_size, self.input_size)]
        return self.parameters + (patches[0] - patches[1]) * self.shape.width


def _resnet(
    name: str,
    title: str,
    summary: str,
    *,
    block: Literal["basic", "bottleneck"],
    counts: tuple[int, ...],
    parameters: int,
) -> Backbone:
    stages = tuple(Stage(block, count, width) for count, width in zip(counts, (64, 128, 256, 512), strict=True))
    return Backbone(
        name=name,
        title=title,
        summary=summary,
        family="resnet",
        architecture=name,
        shape=ResNetShape(stem=64, stages=stages),
        parameters=parameters,
        features=stages[-1].out_channels,
        input_size=224,
        hub_id=f"timm/{name}.a1_in1k",
        pin=PINS.get(f"timm/{name}.a1_in1k", UNPINNED),
        normalisation=_IMAGENET,
    )


def _vit(
    name: str,
    title: str,
    summary: str,
    *,
    architecture: str,
    tag: str,
    width: int,
    parameters: int,
    normalisation: Normalisation = _HALF,
    crop_share: float = 0.9,
) -> Backbone:
    dinov2 = "dinov2" in architecture
    return Backbone(
        name=name,
        title=title,
        summary=summary,
        family="vit",
        architecture=architecture,
        shape=ViTShape(
            width=width,
            depth=12,
            heads=width // 64,
            mlp_width=4 * width,
            patch=14 if dinov2 else 16,
            has_layer_scale=dinov2,
        ),
        parameters=parameters,
        features=width,
        input_size=224,
        hub_id=f"timm/{architecture}.{tag}",
        pin=PINS.get(f"timm/{architecture}.{tag}", UNPINNED),
        normalisation=normalisation,
        crop_share=crop_share,
    )


_AUGREG = "augreg_in21k_ft_in1k"
DEFAULT_BACKBONE = "resnet18_in1k"

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            name=DEFAULT_BACKBONE,
            title="ResNet-18 (ImageNet)",
            summary="Ships with the program: trained on ImageNet's 1.2 million photographs. A good first choice.",
            family="resnet",
            architecture="resnet18",
            model_args={"layers": (2, 2, 2, 3)},
            shape=ResNetShape(
                stem=64,
                stages=(Stage("basic", 2, 64), Stage("basic", 2, 128), Stage("basic", 2, 256), Stage("basic", 3, 512)),
            ),
            parameters=15_897_152,
            features=512,
            input_size=160,
            normalisation=Normalisation(mean=(0.482948, 0.454521, 0.404167), std=_IMAGENET.std),
            crop_share=1.0,
            licence="MIT",
            bundled="bundled/cntk_resnet18_in1k.safetensors",
            sha256="ae77a56630f1c5ebde25a50e31728c58f684dcaac29bc490ca414b538984f4e8",
            origin="CNTK, by the NuGet package Microsoft.ML.DnnImageFeaturizer.ResNet18 0.23.1",
        ),
        Backbone(
            name="starter_resnet",
            title="Starter ResNet",
            summary="Ships with the program: the fast one, a fifth of ResNet-18's size and less accurate.",
            family="resnet",
            architecture=STARTERS["starter_resnet"].architecture,
            model_args=STARTERS["starter_resnet"].timm_kwargs,
            shape=ResNetShape(
                stem=64,
                stages=(Stage("basic", 2, 32), Stage("basic", 2, 64), Stage("basic", 3, 128), Stage("basic", 1, 448)),
            ),
            parameters=3_393_152,
            features=896,
            input_size=128,
            normalisation=_HALF,
            crop_share=1.0,
            bundled="starter/starter_resnet.safetensors",
            sha256="b5b035f423cd16c574cba6eb0b3d105f51c5051d8739781df176e2363e22cd54",
        ),
        Backbone(
            name="starter_vit",
            title="Starter ViT",
            summary="Ships with the program: a small transformer that works without a network.",
            family="vit",
            architecture=STARTERS["starter_vit"].architecture,
            model_args=STARTERS["starter_vit"].timm_kwargs,
            shape=ViTShape(width=224, depth=6, heads=7, mlp_width=896, patch=16, has_class_token=False),
            parameters=3_817_184,
            features=224,
            input_size=128,
            normalisation=_HALF,
            crop_share=1.0,
            bundled="starter/starter_vit.safetensors",
            sha256="e0872fce1c5ef22238d73f7b1157193b463f2fb537a1ccd850837f61f7693ed5",
        ),
        Backbone(
            name=hybrid.NAME,
            title="Hybrid ViT",
            summary="Ships with the program: a transformer on three stages of an ImageNet ResNet. A good first ViT.",
            family="vit",
            architecture=hybrid.ARCHITECTURE,
            model_args=hybrid.TIMM_KWARGS,
            embedding=hybrid.EMBEDDING,
            shape=ViTShape(
                width=256, depth=4, heads=8, mlp_width=1024, patch=16, has_class_token=False, has_batch_norm=True
            ),
            parameters=6_033_728,
            features=256,
            input_size=hybrid.INPUT_SIZE_PX,
            normalisation=Normalisation(mean=hybrid.MEAN, std=hybrid.STD),
            crop_share=1.0,
            licence="MIT and Apache-2.0",
            bundled="starter/hybrid_vit.safetensors",
            sha256="590bd8f00d4905cf77c26cc1c69bcf8c7e0d36777a571f2b7b56ccc37e0a3d62",
        ),
        Backbone(
            name="test_resnet",
            title="Test ResNet",
            summary="A tiny ResNet to try things out in seconds; not for real work.",
            family="resnet",
            architecture="test_resnet",
            shape=ResNetShape(
                stem=32,
                stages=(
                    Stage("basic", 1, 32),
                    Stage("basic", 1, 48),
                    Stage("bottleneck", 1, 48),
                    Stage("basic", 1, 96),
                ),
            ),
            parameters=372_688,
            features=96,
            input_size=160,
            interpolation="bilinear",
            hub_id="timm/test_resnet.r160_in1k",
            normalisation=_HALF,
        ),
        Backbone(
            name="test_vit",
            title="Test ViT",
            summary="A tiny ViT to try things out in seconds; not for real work.",
            family="vit",
            architecture="test_vit",
            shape=ViTShape(width=64, depth=6, heads=2, mlp_width=192, patch=16),
            parameters=306_240,
            features=64,
            input_size=160,
            hub_id="timm/test_vit.r160_in1k",
            normalisation=_HALF,
        ),
        _resnet(
            "resnet18",
            "ResNet-18",
            "Small, quick and steady; a good first choice on any computer.",
            block="basic",
            counts=(2, 2, 2, 2),
            parameters=11_176_512,
        ),
        _resnet(
            "resnet34",
            "ResNet-34",
            "Twice ResNet-18's depth for a little more accuracy.",
            block="basic",
            counts=(3, 4, 6, 3),
            parameters=21_284_672,
        ),
        _resnet(
            "resnet50",
            "ResNet-50",
            "The field's yardstick: strong features at moderate cost.",
            block="bottleneck",
            counts=(3, 4, 6, 3),
            parameters=23_508_032,
        ),
        _resnet(
            "resnet101",
            "ResNet-101",
            "Deeper still; for fine differences and a good GPU.",
            block="bottleneck",
            counts=(3, 4, 23, 3),
            parameters=42_500_160,
        ),
        _vit(
            "vit_tiny",
            "ViT-Tiny/16",
            "The smallest full vision transformer; light enough for a laptop.",
            architecture="vit_tiny_patch16_224",
            tag=_AUGREG,
            width=192,
            parameters=5_524_416,
        ),
        _vit(
            "vit_small",
            "ViT-Small/16",
            "A transformer of ResNet-50's size with knowledge from 21,000 classes.",
            architecture="vit_small_patch16_224",
            tag=_AUGREG,
            width=384,
            parameters=21_665_664,
        ),
        _vit(
            "vit_base",
            "ViT-Base/16",
            "Large and accurate; wants a GPU, and shines with LoRA.",
            architecture="vit_base_patch16_224",
            tag="augreg2_in21k_ft_in1k",
            width=768,
            parameters=85_798_656,
        ),
        _vit(
            "deit_small",
            "DeiT-Small/16",
            "ViT-Small trained on ImageNet-1k alone with strong augmentation.",
            architecture="deit_small_patch16_224",
            tag="fb_in1k",
            width=384,
            parameters=21_665_664,
            normalisation=_IMAGENET,
        ),
        _vit(
            "dinov2_small",
            "DINOv2-Small/14",
            "Self-supervised on 142 million pictures; superb with few labels.",
            architecture="vit_small_patch14_dinov2",
            tag="lvd142m",
            width=384,
            parameters=21_628_800,
            crop_share=0.95,
            normalisation=_IMAGENET,
        ),
        _vit(
            "dinov2_base",
            "DINOv2-Base/14",
            "The strongest features here for few labels; wants a GPU.",
            architecture="vit_base_patch14_dinov2",
            tag="lvd142m",
            width=768,
            parameters=85_724_928,
            crop_share=0.95,
            normalisation=_IMAGENET,
        ),
    )
}


def get_backbone(name: str) -> Backbone:
    """Return the row of `BACKBONES`, or raise a `ConfigError` that lists the names."""
    if name not in BACKBONES:
        raise ConfigError(
            (Problem("backbone", f"there is no backbone {name!r}", f"Choose one of {', '.join(BACKBONES)}."),)
        )
    return BACKBONES[name]
