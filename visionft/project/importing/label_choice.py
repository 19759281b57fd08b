"""The choice of what gives the labels of a source, made of single options that may contradict each other."""

from collections.abc import Callable

from visionft.core.errors import VisionFTError
from visionft.core.messages import Message, Text
from visionft.project.formats.image_table import LabelChoice


def label_choice(
    *,
    class_folder: int | None = None,
    name_part: int | None = None,
    table: str = "",
    file_column: str = "",
    label_column: str = "",
    separator: str = "",
    from_boxes: bool = False,
    without_labels: bool = False,
    spelled: Callable[[str], str] = str,
) -> LabelChoice:
    """Return the choice that options give; as `LabelChoice`, with None or an empty text for an option not given.

    Args:
        spelled: Returns the name of an option as the user writes it, for errors.

    Raises:
        VisionFTError: Options contradict each other.
    """
    if class_folder == 0:
        raise VisionFTError("There is no folder level 0.", "Level 1 lies in the source; -1 holds the images.")
    ways = {
        "class_folder": class_folder is not None,
        "name_part": name_part is not None,
        "label_column": bool(label_column),
        "from_boxes": from_boxes,
        "without_labels": without_labels,
    }
    given = [option for option, is_given in ways.items() if is_given]
    of_table = [option for option, value in (("table", table), ("file_column", file_column)) if value]
    *others, last = map(spelled, ways)
    hint = Message("Give one of {options} and {last}.", options=", ".join(others), last=last)
    if len(given) > 1:
        raise _contradiction(given[0], given[1], spelled, hint)
    if of_table and given and given[0] in ("class_folder", "name_part"):
        raise _contradiction(given[0], of_table[0], spelled, hint)
    if separator and given and given[0] in ("from_boxes", "without_labels"):
        why = "It separates the classes in a column, a part of the names or the name of a folder."
        raise _contradiction(given[0], "separator", spelled, why)
    return LabelChoice(
        table=table,
        file=file_column,
        label=label_column,
        class_folder=class_folder or 0,
        name_part=name_part,
        separator=separator,
        is_unlabelled=without_labels,
        takes_marks=from_boxes,
    )


def _contradiction(first: str, second: str, spelled: Callable[[str], str], hint: Text) -> VisionFTError:
    return VisionFTError(
        Message("{first} and {second} contradict each other.", first=spelled(first), second=spelled(second)), hint
    )
