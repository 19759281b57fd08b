"""Choose the sample's photographs: `python packaging/make_photographs.py ../shared/data/trashnet`.

Writes `resources/pictures/photographs.zip` (as many of each class, drawn with a fixed seed, their bytes unchanged) and
the strips of both samples for the welcome screen. The set shows one object in several pictures; one of them in training
and another in the test would make every figure too good. So a picture is skipped when the features of the default
backbone are similar to those of a chosen one. The class `trash` is left out: it is no material, only a rest.
"""

import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not `packaging/`: it would shadow the library of the same name
# ruff: noqa: E402

from resources.photographs import PHOTOGRAPHS, strip
from resources.samples import CLASSES as DRAWN_CLASSES
from resources.samples import draw_sample
from visionft.data.types import Snapshot, SnapshotImage
from visionft.events import Event, Progress
from visionft.jobs import JobContext
from visionft.project.importing.importer import import_source
from visionft.project.store import Project
from visionft.training.config.train_config import TrainConfig

CLASSES: tuple[str, ...] = ("cardboard", "glass", "metal", "paper", "plastic")
PER_CLASS = 80
SEED = 0
ALIKE = 0.6  # cosine of centred features; by eye, above .7 mostly the same object, here at most the same kind
STRIP_PX = 144
WRITTEN = (1980, 1, 1, 0, 0, 0)  # the first date a zip can say: the same images give the same bytes


def main(source: Path) -> None:
    """Write the archive and the strips."""
    with tempfile.TemporaryDirectory() as folder, Project.create(Path(folder) / "all") as project:
        import_source(project, source)  # one of equal files; files with copies in two classes have no label
        images = project.snapshot()
    chosen = choose(images)
    PHOTOGRAPHS.parent.mkdir(exist_ok=True)
    write_archive(chosen, (source / "LICENSE.txt").read_bytes())
    write_strip("photographs", [Image.open(next(p for p in chosen if p.parent.name == name)) for name in CLASSES])
    drawn = (draw_sample(np.random.default_rng(n), name) for n, name in enumerate((*DRAWN_CLASSES, "good")))
    write_strip("drawn", [Image.fromarray(pixels) for pixels in drawn])
    print(f"{len(chosen)} images, {PHOTOGRAPHS.stat().st_size:,} bytes")


def choose(images: Snapshot) -> list[Path]:
    """Return `PER_CLASS` images of each class in the order they were drawn, no two of them similar."""
    labelled = [image for image in images.images if image.labels]
    directions = centred_features(images, labelled)
    chosen: list[int] = []
    left = dict.fromkeys(CLASSES, PER_CLASS)
    for place in map(int, np.random.default_rng(SEED).permutation(len(labelled))):
        name = images.class_names[labelled[place].labels[0]]
        if left.get(name) and (directions[chosen] @ directions[place]).max(initial=-1.0) < ALIKE:
            chosen.append(place)
            left[name] -= 1
    return [labelled[place].path for place in chosen]


def _print_progress(event: Event) -> None:
    if isinstance(event, Progress):
        print(f"\r{event.done} of {event.total}", end="", file=sys.stderr)


def centred_features(images: Snapshot, chosen: Sequence[SnapshotImage]) -> np.ndarray:
    """Return the features (N, D) of the default backbone, centred on their mean and normalised."""
    from visionft.training.loop.batches import ProcessShard, cached_features, plain_batches
    from visionft.training.loop.run_context import RunContext

    config = TrainConfig(method="linear", precision="fp32", device="cpu")
    context = RunContext.of_run(config, classes=len(images.class_names))
    context.classifier.eval()
    features = cached_features(
        plain_batches(config, images, chosen, ProcessShard(device=context.accelerator.device)),
        context.classifier.features,
        total=len(chosen),
        stage="Looking",
        job=JobContext(_print_progress),
        on_batch=lambda _batch: None,
    ).images.numpy()
    features = features - features.mean(axis=0)
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def write_archive(chosen: Sequence[Path], licence: bytes) -> None:
    """Write the images in their class folders, uncompressed, because JPEGs do not shrink."""
    with zipfile.ZipFile(PHOTOGRAPHS, "w") as archive:
        archive.comment = licence
        for path in sorted(chosen):
            entry = zipfile.ZipInfo(f"{path.parent.name}/{path.name}", date_time=WRITTEN)
            archive.writestr(entry, path.read_bytes())


def write_strip(sample: str, images: Sequence[Image.Image]) -> None:
    """Write images in a row, each cropped to a square."""
    joined = Image.new("RGB", (STRIP_PX * len(images), STRIP_PX))
    for place, image in enumerate(images):
        joined.paste(ImageOps.fit(image, (STRIP_PX, STRIP_PX)), (place * STRIP_PX, 0))
    joined.save(strip(sample), quality=85)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
