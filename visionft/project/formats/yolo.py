"""YOLO classification: `train`, `val` and `test`, each with a folder per class; they come in as class folders do."""

from visionft.errors import NextStep, ProjectError
from visionft.files import write_json
from visionft.project.formats.handing_out import Copier, LabelSet, folder_names, require_one_class
from visionft.project.formats.labels_file import CLASSES_FILE, LabelRecord


def write_yolo(labels: LabelSet, copier: Copier) -> None:
    """Write the pictures that have a class and a split; the format has no place for the others.

    Raises:
        ProjectError: No picture is for training, or some have several classes.
    """
    if not any(record.split == "train" and record.labels for record in labels.records):
        raise ProjectError(
            "No picture with a class is for training, and YOLO has no place for the others.",
            "Divide the pictures first.",
            NextStep("split"),
        )
    require_one_class(labels, "YOLO classification")
    folders = folder_names(list(labels.classes))

    def place(record: LabelRecord) -> str | None:
        return f"{record.split}/{folders[record.labels[0]]}" if record.split and record.labels else None

    for _ in copier.copies(labels, place):
        pass
    write_json(copier.folder / CLASSES_FILE, [{"name": name, "folder": folder} for name, folder in folders.items()])
