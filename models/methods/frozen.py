"""The methods that leave the network frozen: linear probe, prototype, retrieval (k-NN), zero-shot, and the ensemble."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.backbone import Backbone
from models.catalog import DEFAULT_TEXT_BACKBONE
from models.methods.method import LAYERS, Method, MethodOptions, layers_setting
from visionft.core.messages import Message
from visionft.core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor, nn

CLOSED_FORM, GRADIENT = "closed_form", "gradient"


@dataclass(frozen=True, kw_only=True)
class LinearOptions(MethodOptions):
    layers: str = setting(
        "auto",
        label="Head sees",
        choices={"auto": "Automatic", **LAYERS},
        advanced=True,
        help=(
            "last: the network's embedding; joined: its earlier stages or blocks too; auto: joined, with earlier "
            "stages weighted on held-out images."
        ),
    )
    solver: str = setting(
        CLOSED_FORM,
        label="Solver",
        advanced=True,
        choices={CLOSED_FORM: "Closed form", GRADIENT: "Gradient"},
        help=(
            "closed_form: the best head in one step, its kind and strength chosen on held-out images; epochs and "
            "rates do not matter. gradient: epochs that start from it."
        ),
    )


class LinearProbe(Method[LinearOptions]):
    """The classifier head alone learns. Merging does nothing: it is the plain network."""

    name = "linear"
    title = Message("Linear probe")
    summary = Message("Only the last layer is trained; the network stays frozen.")
    when = Message("You want a model in seconds, or have only a few images.")
    options = LinearOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True

    def may_leave_parts_out(self, options: LinearOptions) -> bool:
        """Return whether held-out images decide about the earlier stages."""
        return options.layers == "auto"

    def is_closed_form(self, options: LinearOptions) -> bool:
        return options.solver == CLOSED_FORM

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        """Return the settings of runs of formats up to 3: gradient descent on the embedding alone."""
        return values if version > 3 else {"layers": "last", "solver": GRADIENT, **values}


@dataclass(frozen=True, kw_only=True)
class PrototypeOptions(MethodOptions):
    layers: str = layers_setting()


class Prototype(Method[PrototypeOptions]):
    """Each class is the mean of the features of its images; the nearest mean is predicted."""

    name = "prototype"
    title = Message("Prototype")
    summary = Message("Each class is the mean of its images; nothing is trained.")
    when = Message("You have one to five images of each class.")
    options = PrototypeOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True
    solution = "prototype"


@dataclass(frozen=True, kw_only=True)
class KnnOptions(MethodOptions):
    layers: str = layers_setting(label=Message("Compares"))
    neighbours: int = setting(
        0,
        label="Neighbours",
        limits=(0, 1000),
        advanced=True,
        help="Number of nearest images that vote; 0: chosen on held-out images.",
    )


class Knn(Method[KnnOptions]):
    """The nearest labelled images vote on the class."""

    name = "knn"
    title = Message("Retrieval")
    summary = Message("The most similar labelled images decide the class; nothing is trained.")
    when = Message("Labels change often, or you want evidence: each prediction shows its nearest images.")
    options = KnnOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    moves_buffers = True
    is_training_free = True
    is_live = True
    solution = "knn"

    def head_parameters(self, width: int, classes: int, options: KnnOptions) -> int:
        """Return 1: the temperature of the vote is fitted beside the images."""
        return 1

    def new_head(self, width: int, classes: int) -> "nn.Module":
        from models.methods.layers import KnnHead

        return KnnHead(width, classes)

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        head.take_shapes(state)


NO_TEXT = Message("it has no text encoder, so it cannot use prompts; choose pe_core_s or siglip2_b")


@dataclass(frozen=True, kw_only=True)
class ZeroShotOptions(MethodOptions):
    templates: str = setting(
        "photo",
        label="Templates",
        choices={"photo": "A photo of a …", "seven": "Seven well-known sentences, averaged", "none": "As written"},
        help="The sentences around each prompt: photo (a photo of a ...); seven (well-known ones, averaged); none (as "
        "written).",
    )
    examples: str = setting(
        "none",
        label="Labelled images",
        choices={"none": "None", "blend": "Blend"},
        help="none: only the prompts. blend: also the class means of the training images, weighted on held-out images.",
    )


class ZeroShot(Method[ZeroShotOptions]):
    """Classes are given by prompts; their embeddings by the text encoder of the same pretrained model are the head.

    Radford et al. 2021 (arXiv:2103.00020), Zhai et al. 2023 (arXiv:2303.15343).
    """

    name = "zero_shot"
    title = Message("Zero-shot")
    summary = Message("Predicts from a description of each class; no labels, no training.")
    when = Message("You have no labels yet, or want to know what words alone can do.")
    options = ZeroShotOptions
    learning_rate = 3e-3
    follows_width = False
    caches_features = True
    is_training_free = True
    reads_prompts = True
    needs_labels = False
    usual_backbone = DEFAULT_TEXT_BACKBONE
    solution = "zero_shot"

    def refusal(self, backbone: Backbone) -> str:
        return "" if backbone.text else NO_TEXT

    def templates(self, options: ZeroShotOptions) -> str:
        return options.templates

    def looks_at_training_images(self, options: ZeroShotOptions) -> bool:
        return options.examples == "blend"

    def new_head(self, width: int, classes: int) -> "nn.Module":
        from models.methods.layers import TextHead

        return TextHead(width, classes)

    def shape_head(self, head: Any, state: "Mapping[str, Tensor]") -> None:
        head.take_shapes(state)


class Ensemble(Method[MethodOptions]):
    """Several finished runs predict together. Nothing is trained and no network is changed.

    It is a method for lists, settings and exports, but cannot be trained, so `models.methods.table` lacks it.
    `visionft.training.combining` makes such runs.
    """

    name = "combined"
    title = Message("Combination")
    summary = Message("An ensemble of several finished runs, each with its weight.")
    when = Message("You have runs that err on different images.")
    options = MethodOptions
    learning_rate = 0.0
    caches_features = True

    def refusal(self, backbone: Backbone) -> str:
        return Message("it is made of finished runs")

    def is_closed_form(self, options: MethodOptions) -> bool:
        return True

    def needs_base_weights(self, options: MethodOptions) -> bool:
        """Return False: its members load their own base weights."""
        return False
