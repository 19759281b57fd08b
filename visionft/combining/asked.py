"""What the parts of a combination say of pictures that none of them learnt from: what its shares are fitted to.

These are the validation pictures; and where every part is a closed form, the training pictures, too, each answered by
heads that it had no part in (`visionft/training/runs/held_out.py`). Those are five times as many: with them shares are
right where a dozen validation pictures cannot tell.
"""

from collections.abc import Sequence
from dataclasses import replace

from visionft.combining.shares import Asked
from visionft.data.types import Snapshot
from visionft.errors import StoppedError
from visionft.evaluation.report import Logits, run_images, run_logits
from visionft.events import Notice, OnEvent, ShouldStop
from visionft.training.loop.samples import spread
from visionft.training.runs.answerer import columns_of, load_answerer
from visionft.training.runs.held_out import answers_of, read_held_out
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_snapshot import read_snapshot

MOST_HELD_OUT = 5_000  # training pictures that shares are fitted to: more would tell them finer than any are tried


def unseen(parts: Sequence[RunSummary], images: Snapshot, on_event: OnEvent) -> tuple[Snapshot, int]:
    """Return the snapshot without the validation pictures that a part learnt from, and how many these are.

    A part would seem better on them than it is, and get too large a share.
    """
    learnt: set[str] = set()
    for part in parts:
        learnt |= {image.sha256 for image in read_snapshot(part.path).labelled("train")}
    kept = tuple(image for image in images.images if image.split != "val" or image.sha256 not in learnt)
    count = len(images.labelled("val")) - len([image for image in kept if image.split == "val" and image.labels])
    if count:
        on_event(
            Notice(message=f"Validation pictures that are left out, because one of the runs learnt from them: {count}.")
        )
    return replace(images, images=kept), count


def ask_validation(parts: Sequence[RunSummary], images: Snapshot, on_event: OnEvent, should_stop: ShouldStop) -> Asked:
    """Ask each part about the validation pictures, those that all can read.

    Raises:
        RunError, StoppedError, WeightsError: As `load_answerer` and `run_logits`.
    """
    found: list[Logits] = []
    for part in parts:
        if should_stop():
            raise StoppedError("Combining was stopped.", "Nothing was kept.")
        answerer = load_answerer(part, on_event=on_event, should_stop=should_stop)
        found.append(run_logits(answerer, images, "val", on_event=on_event, should_stop=should_stop))
    shared = set[int].intersection(*({image.image_id for image in each.images} for each in found))
    rows = [[place for place, image in enumerate(each.images) if image.image_id in shared] for each in found]
    columns = [list(columns_of(parts[0].class_names, part)) for part in parts]
    answers = [each.values[row][:, order] for each, row, order in zip(found, rows, columns, strict=True)]
    return Asked(answers, found[0].targets[rows[0]])


def held_out_training(parts: Sequence[RunSummary], images: Snapshot) -> Asked | None:
    """Return what the parts say of training pictures that each left out; None unless all of them left some out."""
    found = [read_held_out(part.path) for part in parts]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    shared = set[int].intersection(*(set(each.image_ids.tolist()) for each in known))
    # What is kept for the test stays apart; what is not divided is among the labels that a live run remembers.
    chosen = [each for each in images.images if each.image_id in shared and each.labels and each.split != "test"]
    if not chosen:
        return None
    asked = replace(images, images=tuple(replace(each, split="train") for each in spread(chosen, MOST_HELD_OUT)))
    pictures, targets = run_images(parts[0], asked, "train")
    ids = [image.image_id for image in pictures]
    columns = [list(columns_of(parts[0].class_names, part)) for part in parts]
    return Asked([answers_of(each, ids)[:, order] for each, order in zip(known, columns, strict=True)], targets)
