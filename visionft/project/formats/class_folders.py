"""Copies of images in class folders, also as YOLO's image classification reads them."""

from visionft.core.errors import NextStep, ProjectError
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.project.formats.handing_out import Copier, LabelSet, folder_names
from visionft.project.formats.labels_file import CLASSES_FILE, LabelRecord, write_classes
from visionft.project.formats.split_names import UNASSIGNED_FOLDER, is_split_name


def write_class_folders(labels: LabelSet, copier: Copier) -> None:
    """Copy the images into `<split>/<class>/`, or `<class>/` when no image has a split."""
    _write(labels, copier, Message("Class folders"), takes_all=True)


def write_yolo(labels: LabelSet, copier: Copier) -> None:
    """Copy the images with a class and a split into `<split>/<class>/`; the format does not support the others."""
    if not any(record.split == "train" and record.labels for record in labels.records):
        message = Message("No image with a class is for training, and YOLO has no place for the others.")
        raise ProjectError(message, "Divide the images first.", NextStep("split"))
    _write(labels, copier, Message("YOLO classification"), takes_all=False)


def _write(labels: LabelSet, copier: Copier, title: str, *, takes_all: bool) -> None:
    several = sum(len(record.labels) > 1 for record in labels.records)
    if several:
        message = Message("{counted} of this project have more than one class.", counted=count_of(several, "image"))
        hint = Message("{title} cannot store this: export JSONL or CSV.", title=title)
        raise ProjectError(message, hint)
    folders = folder_names(labels.classes)
    has_splits = labels.has_splits or any(is_split_name(name) for name in folders.values())

    def place(record: LabelRecord) -> str | None:
        if not takes_all and not (record.split and record.labels):
            return None
        outer = (record.split or UNASSIGNED_FOLDER) if has_splits else ""
        inner = folders[record.labels[0]] if record.labels else ""
        return "/".join(filter(None, (outer, inner)))

    for _ in copier.copies(labels, place):
        pass
    if not copier.stopped:
        write_classes(labels.looks, copier.folder / CLASSES_FILE, folders)
