"""Measure a project of many images, step by step: `million.py [--counts 100000 1000000] [--folder FOLDER]`.

The embeddings are generated, the rows of the database go through the store, and the files are hard links to a few
small images. Planted, so that the results can be judged: pairs of near duplicates (real files, turned, cropped or
recompressed), 2 % wrong labels among the nine of ten labelled images, and known true classes.

Each step runs in a process of its own. Printed are its wall time, the processor time of all its threads, its peak
memory, the quality of its result, and the growth of the processor time from size to size beside that of n log n.
FOLDER keeps the projects for another call: about 4 GB for a million images. The environment variable BENCH_CLASSES is
the number of classes, 12 by default: each has its own FOLDER.
"""

import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from bench import CLASSES, Times, heading, linked_project, open_window, read_options, row, timed, wait_until

from visionft.curation.check import Inputs
from visionft.features.feature_store import FeatureKind, load_features, make_current
from visionft.features.row_store import RowStore
from visionft.project.store import Project

WIDTHS = (128, 256, 512)  # of the default feature extractor
CLUSTERS, LATENT = 5, 64  # of each class; dimensions in which the images differ
WRONG, BLOCK = 0.02, 20_000
Judged = dict[str, Any]


class Truth:
    """The generated data of a project of `count` images: classes, labels, planted pairs."""

    def __init__(self, count: int) -> None:
        source = np.random.default_rng([count, 1])
        self.count = count
        self.classes = source.integers(0, len(CLASSES), count)
        self.is_labelled = np.arange(count) % 10 > 0
        self.is_wrong = self.is_labelled & (source.random(count) < WRONG)
        others = (self.classes + source.integers(1, len(CLASSES), count)) % len(CLASSES)
        self.labels = np.where(self.is_wrong, others, self.classes)
        pairs = min(1000, count // 50)
        self.pairs = source.permutation(count)[: 2 * pairs].reshape(pairs, 2)
        self.labels[self.pairs[:, 1]] = self.classes[self.pairs[:, 1]] = self.classes[self.pairs[:, 0]]
        self.is_wrong[self.pairs.ravel()] = False

    def class_of(self, number: int) -> str:
        """Return the label of an image; empty for none."""
        return CLASSES[self.labels[number]] if self.is_labelled[number] else ""

    def features(self, start: int, stop: int) -> np.ndarray:
        """Return (stop - start, 896) float16: clusters of each class in 64 dimensions, and noise in all."""
        axes, centres = self._shape
        source = np.random.default_rng([self.count, 2, start])
        cluster = self.classes[start:stop] * CLUSTERS + source.integers(0, CLUSTERS, stop - start)
        spread = (np.arange(1, LATENT + 1) ** -0.5).astype(np.float32)
        latent = centres[cluster] + source.standard_normal((stop - start, LATENT), np.float32) * spread
        rows = latent @ axes + 0.3 * source.standard_normal((stop - start, axes.shape[1]), np.float32)
        return rows.astype(np.float16)

    @property
    def _shape(self) -> tuple[np.ndarray, np.ndarray]:
        source = np.random.default_rng(3)
        axes = source.standard_normal((LATENT, sum(WIDTHS)), np.float32) / math.sqrt(LATENT)
        return axes, source.standard_normal((len(CLASSES) * CLUSTERS, LATENT), np.float32) * 0.2


@cache
def picture(seed: int) -> np.ndarray:
    """Return a (120, 160, 3) image with structure at every scale."""
    import cv2

    source = np.random.default_rng([4, seed])
    pixels = np.zeros((120, 160), np.float32)
    for side in (4, 8, 16, 32, 64):
        noise = source.normal(0, 90 / side**0.5, (side * 3 // 4, side)).astype(np.float32)
        pixels += cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC)
    return np.repeat(np.clip(128 + pixels, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def copy_of(pixels: np.ndarray, kind: int) -> np.ndarray:
    """Return a copy: half the size, cropped, mirrored, or darker."""
    import cv2

    match kind % 4:
        case 0:
            return cv2.resize(pixels, (80, 60), interpolation=cv2.INTER_AREA)
        case 1:
            return pixels[8:-8, 10:-10]
        case 2:
            return pixels[:, ::-1]
        case _:
            return (pixels * 0.8).astype(np.uint8)


def write_pairs(truth: Truth, images: Path) -> None:
    """Give both images of each planted pair a file of its own."""
    from PIL import Image

    for number, ids in enumerate(truth.pairs.tolist()):
        for place, pixels in zip(ids, (picture(number), copy_of(picture(number), number)), strict=True):
            path = images / f"{place:06d}.jpg"
            path.unlink()
            Image.fromarray(pixels).save(path, quality=90 - 15 * (place == ids[1]))
    picture.cache_clear()


def write_fingerprints(project: Path, truth: Truth) -> None:
    """Store a fingerprint for each image outside the planted pairs: the low frequencies of an image of its own."""
    import cv2

    from visionft.features.fingerprints import FOLDER as PRINTS
    from visionft.features.fingerprints import ROW
    from visionft.features.registration import FLIPPED, MIRRORED, TRANSPOSED

    store = RowStore(project / PRINTS, ROW)
    enlarge = cv2.resize(np.eye(8, dtype=np.float32), (8, 32), interpolation=cv2.INTER_CUBIC)
    cosines = np.stack([cv2.dct(column)[:, 0] for column in np.eye(32, dtype=np.float32)[..., None]], axis=1)[:8]
    planted, signs = set(truth.pairs.ravel().tolist()), 1 - 2 * (np.arange(8) % 2)
    for start in range(0, truth.count, BLOCK):
        places = [place for place in range(start, min(truth.count, start + BLOCK)) if place not in planted]
        source = np.random.default_rng([truth.count, 5, start])
        coarse = enlarge @ source.standard_normal((len(places), 8, 8), np.float32) @ enlarge.T
        coarse = np.clip(128 + 50 * coarse, 0, 255)
        frequencies = cosines @ coarse @ cosines.T
        frequencies[:, 0, 0] = 0
        rows = np.zeros(len(places), ROW)
        for orientation in range(8):
            turned = frequencies.transpose(0, 2, 1) if orientation & TRANSPOSED else frequencies
            turned = turned * signs if orientation & MIRRORED else turned
            turned = turned * signs[:, None] if orientation & FLIPPED else turned
            rows["hashes"][:, orientation] = np.packbits(turned.reshape(-1, 64) > 0, axis=1).view(np.uint64)[:, 0]
        rows["contrast"], rows["sharpness"] = 40, source.random(len(places))
        rows["digest"] = source.integers(0, 256, (len(places), 16), np.uint8)
        rows["height"], rows["width"] = 480, 640
        rows["coarse"], rows["coarse_height"], rows["coarse_width"] = coarse, 24, 32
        store.append([f"{place:064x}" for place in places], rows)


def write_features(project: Path, truth: Truth) -> None:
    """Store the embeddings; a copy's are near those of its original."""
    kind = FeatureKind(
        backbone="resnet18", size=224, weights="generated", preprocessing=f"generated {truth.count}", widths=WIDTHS
    )
    store, wanted = kind.store(project), {}
    original_of = dict(truth.pairs[:, ::-1].tolist())
    originals = set(original_of.values())
    for is_copy in (False, True):
        for start in range(0, truth.count, BLOCK):
            if is_copy and not any(place in original_of for place in range(start, start + BLOCK)):
                continue
            rows = truth.features(start, min(truth.count, start + BLOCK))
            places = [place for place in range(start, start + len(rows)) if (place in original_of) == is_copy]
            if is_copy:
                noise = np.random.default_rng([6, start]).normal(0, 0.1, (len(places), rows.shape[1]))
                rows = (np.stack([wanted[original_of[place]] for place in places]) + noise).astype(np.float16)
            else:
                wanted |= {place: rows[place - start] for place in places if place in originals}
                rows = rows[np.array(places) - start]
            store.append([f"{place:064x}" for place in places], rows)
    make_current(project, kind)


def make(folder: Path, count: int) -> Judged:
    """Make the project of a size, unless it is there."""
    truth, before = Truth(count), (folder / "images").exists()
    project = linked_project(folder, count, truth.class_of)
    if not before:
        write_pairs(truth, folder / "images")
        write_features(project, truth)
        write_fingerprints(project, truth)
    return {}


def window_of(folder: Path, act: Callable[[Any, Any, Any], Judged]) -> Judged:
    """Open the project in the window, and act."""
    with open_window() as (app, state, window):
        state.open_project(folder / "project")
        return act(app, state, window)


def spread_of(times: list[Times]) -> str:
    """Return the median and the 99th percentile of wall times, in words."""
    middle, late = np.percentile([each.wall for each in times], [50, 99])
    return f"{middle:.0f} / {late:.0f} ms"


def open_project(folder: Path, count: int) -> Judged:
    """Open the project; its images are there on the Label page."""

    def act(app: Any, _state: Any, window: Any) -> Judged:
        shown = timed(lambda: (window.show_page("label"), wait_until(app, window.page("label").grid.count)))
        assert window.page("label").grid.count() == count
        return {"images shown after": f"{shown.wall / 1000:.1f} s"}

    return window_of(folder, act)


def scroll_images(folder: Path, _count: int) -> Judged:
    """Scroll from end to end, with thumbnails."""
    from gui_label import scroll

    def act(app: Any, _state: Any, window: Any) -> Judged:
        window.show_page("label")
        page = window.page("label")
        wait_until(app, page.grid.count)
        return {"a frame": spread_of(scroll(app, page, 600))}

    return window_of(folder, act)


def label_images(folder: Path, _count: int) -> Judged:
    """Label by keys while suggestions follow; then take the labels back."""
    from gui_label import label_keys

    def act(app: Any, state: Any, window: Any) -> Judged:
        window.show_page("label")
        page = window.page("label")
        wait_until(app, page.grid.count)
        page.grid.selection.set_current(0)
        page.grid.setFocus()
        times = label_keys(app, page, 100)
        for _ in times:
            state.session.undo()
        return {"a key": spread_of(times)}

    return window_of(folder, act)


def find_missing(folder: Path, count: int) -> Judged:
    """Find the images without features, as `embed` does when it goes on; the network itself is not part of this."""
    with Project.open(folder / "project") as project:
        found = load_features(project.path, project.snapshot())
    assert len(found) == count
    return {"missing": len(found.missing)}


def find_duplicates(folder: Path, count: int) -> Judged:
    """Find duplicates; the recall is of planted pairs in one group."""
    from visionft.curation.duplicates.duplicate_check import Duplicates
    from visionft.curation.duplicates.duplicate_groups import duplicate_groups

    with Project.open(folder / "project") as project:
        result = Duplicates().run(Inputs(project.path, project.snapshot()))
    groups = duplicate_groups(result)
    group_of = {image_id - 1: number for number, group in enumerate(groups) for image_id in group.image_ids}
    planted = [(group_of.get(first, -1), group_of.get(second, -2)) for first, second in Truth(count).pairs.tolist()]
    found = sum(first == second for first, second in planted)
    share, pairs = found / len(planted), result.facts["compared"]
    return {"recall": round(share, 3), "groups": len(groups), "planted": len(planted), "pairs": pairs}


def find_issues(folder: Path, count: int) -> Judged:
    """Find label errors; the recall is of planted ones at the check's own threshold."""
    from visionft.curation.label_errors.label_error_check import LabelErrors

    with Project.open(folder / "project") as project:
        result = LabelErrors().run(Inputs(project.path, project.snapshot()))
    flagged, wrong = {issue.image_id - 1 for issue in result.flagged()}, np.flatnonzero(Truth(count).is_wrong).tolist()
    hits = len(flagged.intersection(wrong))
    recall, precision = hits / len(wrong), hits / max(1, len(flagged))
    return {"recall": round(recall, 3), "precision": round(precision, 3)}


def draw(folder: Path, count: int) -> Judged:
    """Draw the map; judged by the share of the nearest points on the map with the true class of a point."""
    from visionft.curation.map.image_map import draw_map

    with Project.open(folder / "project") as project:
        found = draw_map(project.path, project.snapshot(), again=True)
    import faiss

    classes, asked = Truth(count).classes[found.image_ids - 1], np.random.default_rng(0).permutation(len(found))[:2000]
    index: Any = faiss.IndexFlatL2(2)
    index.add(np.ascontiguousarray(found.points))
    near = index.search(np.ascontiguousarray(found.points[asked]), 16)[1][:, 1:]
    return {"of one class": round(float((classes[near] == classes[asked][:, None]).mean()), 3), "drawn": found.fitted}


def suggest(folder: Path, count: int) -> Judged:
    """Suggest labels for the unlabelled images, then follow labels one by one; judged by the accuracy."""
    from visionft.suggest.feature_suggester import labels_so_far, open_suggester

    truth = Truth(count)
    with Project.open(folder / "project") as project:
        suggester = open_suggester(project, load_features(project.path, project.snapshot()))
        found = suggester.suggestions
        labels = labels_so_far(project)
    called = [found[image_id].classes[0] for image_id in found.ids[:2000].tolist()]
    right = np.mean([CLASSES[truth.classes[each - 1]] == name for each, name in zip(found.ids, called, strict=False)])
    given = dict(labels.given)

    def another(image_id: int) -> None:
        given[image_id] = (CLASSES[truth.classes[image_id - 1]],)
        suggester.learn(type(labels)(given, labels.accepted, labels.class_names))
        _ = suggester.suggestions

    times = [timed(lambda each=each: another(each), time.process_time) for each in found.ids[:3].tolist()]
    label = f"{np.median([each.cpu for each in times]) / 1000:.2f} s"
    return {"accuracy": round(float(right), 3), "a further label": label}


def report(folder: Path, _count: int) -> Judged:
    """Read the dataset report from what the other steps stored."""
    from visionft.curation.report.report_html import write_report
    from visionft.curation.report.report_reader import read_report

    with Project.open(folder / "project") as project:
        found = read_report(project)
        write_report(found, folder / "report.html")
    return {"size": f"{(folder / 'report.html').stat().st_size / 2**20:.1f} MB"}


STEPS: dict[str, Callable[[Path, int], Judged]] = {
    "make": make,
    "open": open_project,
    "scroll": scroll_images,
    "label": label_images,
    "embed": find_missing,
    "duplicates": find_duplicates,
    "issues": find_issues,
    "map": draw,
    "suggestions": suggest,
    "report": report,
}


def peak_mb() -> float:
    """Return the peak of this process's resident memory: of its own pages, where the system tells."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def run_here(step: str, folder: Path, count: int) -> None:
    """Run a step in this process, and print what was measured as JSON."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    began, judged = time.perf_counter(), STEPS[step](folder, count)
    print(json.dumps([time.perf_counter() - began, time.process_time(), peak_mb(), judged]))


def run_elsewhere(step: str, folder: Path, count: int) -> tuple[float, float, float, Judged]:
    """Run a step in a new process."""
    command = [sys.executable, __file__, "--here", step, "--folder", str(folder), "--counts", str(count)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def measure(folder: Path, counts: list[int], steps: list[str]) -> None:
    """Print a row for each step and size."""
    heading("step", "images", "wall, s", "processor, s", "growth", "of n log n", "peak, MB", "result")
    for step in steps:
        before: tuple[int, float] | None = None
        for count in counts:
            place = folder / str(count)
            place.mkdir(parents=True, exist_ok=True)
            wall, cpu, peak, judged = run_elsewhere(step, place, count)
            growth = f"{cpu / before[1]:.1f}" if before else ""
            due = f"{count * math.log(count) / (before[0] * math.log(before[0])):.1f}" if before else ""
            words = ", ".join(f"{name} {value}" for name, value in judged.items())
            row(step, f"{count:,}", f"{wall:.1f}", f"{cpu:.1f}", growth, due, f"{peak:,.0f}", words)
            before = count, cpu


if __name__ == "__main__":
    options = read_options(__doc__, counts=[100_000, 1_000_000], folder=None, steps=list(STEPS), here="")
    if options.here:
        run_here(options.here, options.folder, options.counts[0])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            measure(options.folder or Path(temporary), options.counts, options.steps)
