"""The options of an import that choose what gives the labels, and the words that give the choice of a proposal."""

from collections.abc import Sequence

from visionft.project.formats.image_table import LabelChoice


def option_of(name: str) -> str:
    """Return the option of an argument: `--class-folder` of `class_folder`."""
    return f"--{name.replace('_', '-')}"


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
    if choice.takes_marks:
        words.append("--from-boxes")
    return [*words, "--without-labels"] if choice.is_unlabelled else words
