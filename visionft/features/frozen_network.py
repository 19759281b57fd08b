"""A frozen network, loaded for its features alone."""

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from models.methods.frozen import LinearOptions, LinearProbe
from models.weights.fetching import fetch
from models.weights.locations import PRETRAINED
from visionft.core.allocator import return_freed_memory
from visionft.core.devices import pick_device
from visionft.core.jobs import SILENT, JobCancelled, JobContext
from visionft.features.feature_spec import FeatureSpec

if TYPE_CHECKING:
    from models.classifier import Classifier

# Makes a context of mixed precision for the forward pass.
Autocast = Callable[[], contextlib.AbstractContextManager[Any]]


def ensure_network(spec: FeatureSpec, *, accepted: str = "", job: JobContext) -> bool:
    """Fetch the pretrained weights of a feature extractor where they are not here; False when stopped.

    `accepted` is the licence that the user accepts, where one must be.
    """
    if spec.weights != PRETRAINED:
        return True
    is_main = os.environ.get("RANK", "0") == "0"  # of processes that train together one tells, the others wait for it
    job = job if is_main else job.without_events()
    return fetch(spec.backbone_row, accepted=accepted, with_text=False, job=job) is not None


@contextlib.contextmanager
def frozen_network(
    spec: FeatureSpec, *, device: str = "auto", precision: str = "auto", job: JobContext = SILENT
) -> "Iterator[tuple[Classifier, Autocast]]":
    """Load the network of a spec for its features, and give its memory back at the end.

    Args:
        spec: The network and its input; its aspect ratio is known.
        device: `auto`, `cuda`, `mps` or `cpu`.
        precision: `auto`, `fp32`, `bf16` or `fp16`; of the computation.
        job: Receives the progress of a download.

    Yields:
        The network on the device, in evaluation mode, and the mixed precision of its forward pass.

    Raises:
        ConfigError: There is no such device here.
        JobCancelled: The user cancelled the download of its weights.
        WeightsError: They cannot be had.
    """
    import torch

    from models.classifier import build_classifier
    from models.weights.weights_loading import weights_loader

    if not ensure_network(spec, job=job):
        raise JobCancelled
    place = pick_device(device)
    precision = place.precision if precision == "auto" else precision
    classifier = build_classifier(
        spec.backbone_row,
        LinearProbe(),
        classes=1,
        options=LinearOptions(),
        weights=weights_loader(spec.weights),
        shape=spec.input_shape,
        seed=spec.seed,
    )
    is_mixed = precision in ("bf16", "fp16")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    if is_mixed and precision == "bf16" and place.kind == "cuda":
        classifier.shrink_frozen(dtype)
    classifier.to_device(place.kind, precision=precision).eval()
    try:
        yield classifier, partial(torch.autocast, place.kind, dtype) if is_mixed else contextlib.nullcontext
    finally:
        classifier.release()
        return_freed_memory()  # a pass at 640 px holds gigabytes
