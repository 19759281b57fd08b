"""What is done to the pictures that are selected on the Curate page: each is one durable change, said with Undo."""

from collections.abc import Iterable

from PySide6.QtCore import QObject

from gui.curate.curation import Curation
from gui.kit.i18n import tr
from gui.kit.tagging import ask_tag
from visionft.curation.check import Finding
from visionft.project.edits.changes import AcceptSuggestions, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages, UntagImages
from visionft.project.edits.verdicts import JudgeFine
from visionft.project.queries import image_rows, tag_counts


class Acting(QObject):
    """Acts on what is selected, or on the pictures that it is given."""

    def __init__(self, curation: Curation, parent: QObject) -> None:
        super().__init__(parent)
        self._curation = curation

    def remove(self) -> None:
        """Take the chosen pictures out of the project; undo brings them back."""
        if chosen := self._curation.chosen():
            said = tr("{count} pictures were taken out of the project.", count=f"{len(chosen):,}")
            self._curation.apply(RemoveImages(chosen), said)

    def keep(self, check: str, findings: Iterable[Finding]) -> None:
        """Note that findings of a check are no fault: they are not shown again."""
        pairs = {
            (each.image_id, other)
            for each in findings
            for other in (each.related or (0,))
        }  # fmt: skip
        if pairs:
            pictures = len({image_id for image_id, _ in pairs})
            said = tr("{count} pictures are kept as they are.", count=f"{pictures:,}")
            self._curation.apply(JudgeFine(check, tuple(sorted(pairs))), said)

    def accept(self, classes: dict[int, str]) -> None:
        """Give pictures the classes that are suggested for them."""
        if classes:
            said = tr("{count} suggestions were accepted.", count=f"{len(classes):,}")
            self._curation.apply(AcceptSuggestions({each: (name,) for each, name in classes.items()}), said)

    def relabel(self, name: str) -> None:
        """Give the chosen pictures a class; in a multi-label project take it off where all have it."""
        project, chosen, now = self._curation.project, self._curation.chosen(), self._curation.now
        if project is None or not chosen:
            return
        labels = [now[image_id].labels for image_id in chosen if image_id in now]
        if project.task == "multi" and all(name in each for each in labels):
            said = tr("“{name}” was taken off {count} pictures.", name=name, count=f"{len(chosen):,}")
            self._curation.apply(UnlabelImages(chosen, name), said)
        else:
            said = tr("{count} pictures are labelled “{name}” now.", name=name, count=f"{len(chosen):,}")
            self._curation.apply(LabelImages(chosen, name), said)

    def ask_tag(self) -> None:
        """Ask for a tag of the chosen pictures; one that all have is taken off."""
        project, chosen = self._curation.project, self._curation.chosen()
        if project is None or not chosen:
            return
        tag, count = ask_tag(self._curation.window, len(chosen), tag_counts(project)), f"{len(chosen):,}"
        if tag and all(tag in row.tags for row in image_rows(project, chosen)):
            said = tr("The tag “{tag}” was taken off {count} pictures.", tag=tag, count=count)
            self._curation.apply(UntagImages(chosen, tag), said)
        elif tag:
            self._curation.apply(
                TagImages(chosen, tag), tr("{count} pictures have the tag “{tag}” now.", tag=tag, count=count)
            )

    def open_on_label(self, image_ids: Iterable[int], title: str) -> None:
        """Show pictures on the Label page, from the current one on; `title` says what they are, translated."""
        current = self._curation.selection.current_id()
        self._curation.state.pictures_requested.emit(tuple(image_ids), title, current)
