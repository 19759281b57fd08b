"""The options of an import that choose what gives the labels, and the words that give the choice of a proposal."""

from collections.abc import Sequence
from dataclasses import dataclass

from visionft.errors import VisionFTError
from visionft.project.formats.listing import LabelChoice

_WAYS = "Give one of --class-folder, --name-part, --label-column, --from-boxes and --without-labels."


@dataclass(frozen=True, kw_only=True)
class LabelOptions:
    """The values of the options; those of `LabelChoice`, None or empty where they are not given."""

    class_folder: int | None = None
    name_part: int | None = None
    table: str = ""
    file_column: str = ""
    label_column: str = ""
    separator: str = ""
    from_boxes: bool = False
    without_labels: bool = False

    def choice(self) -> LabelChoice:
        """Return the choice; a `VisionFTError` where options contradict each other."""
        if self.class_folder == 0:
            raise VisionFTError("There is no folder level 0.", "Level 1 lies in the source; -1 holds the images.")
        ways = {
            "--class-folder": self.class_folder is not None, "--name-part": self.name_part is not None,
            "--label-column": bool(self.label_column), "--from-boxes": self.from_boxes,
            "--without-labels": self.without_labels,
        }  # fmt: skip
        given = [option for option, is_given in ways.items() if is_given]
        if len(given) > 1:
            raise VisionFTError(f"{given[0]} and {given[1]} contradict each other.", _WAYS)
        others = {"--table": bool(self.table), "--file-column": bool(self.file_column)}
        of_table = [option for option, is_given in others.items() if is_given]
        if of_table and given and given[0] in ("--class-folder", "--name-part"):
            raise VisionFTError(f"{given[0]} and {of_table[0]} contradict each other.", _WAYS)
        if self.separator and given and given[0] in ("--from-boxes", "--without-labels"):
            hint = "It separates the classes in a column, a part of the names or the name of a folder."
            raise VisionFTError(f"{given[0]} and --separator contradict each other.", hint)
        return LabelChoice(
            table=self.table, file=self.file_column, label=self.label_column, class_folder=self.class_folder or 0,
            name_part=self.name_part, separator=self.separator, is_unlabelled=self.without_labels,
            takes_marks=self.from_boxes,
        )  # fmt: skip


def option_words(choice: LabelChoice) -> Sequence[str]:
    """Return the options that give a choice; none for the automatic one."""
    values = {
        "--class-folder": str(choice.class_folder or ""),
        "--name-part": "" if choice.name_part is None else str(choice.name_part),
        "--table": choice.table,
        "--file-column": choice.file,
        "--label-column": choice.label,
        "--separator": choice.separator,
    }
    words = [word for option, value in values.items() if value for word in (option, value)]
    words += ["--from-boxes"] if choice.takes_marks else []
    return [*words, "--without-labels"] if choice.is_unlabelled else words
