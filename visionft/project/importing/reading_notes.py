"""Notes on how a source was read: assumptions beyond its own information, and what was not used.

The window and the command line show the same notes.
"""

from collections.abc import Iterable, Iterator

from visionft.core.messages import Message, listed
from visionft.project.formats.image_table import Interpretation

_MOST = 6  # names in a note


def notes_on(interpretations: Iterable[Interpretation]) -> list[Message]:
    """Return the notes on the interpretations of a source, each once."""
    return list(dict.fromkeys(note for each in interpretations for note in (*_label_notes(each), *_file_notes(each))))


def _label_notes(each: Interpretation) -> Iterator[Message]:
    """Yield the notes on what gives labels and splits."""
    count = each.marked
    if each.format:
        yield Message("{file} is read as {format}.", file=each.file.name, format=each.format)
    if each.is_from_marks:
        yield Message("Every class that is marked in an image is a label of it.")
    elif each.has_only_marks:
        yield Message("Images with boxes or shapes, and no class as a whole: {count}.", count=count)
    elif each.marked:
        yield Message("Images with boxes or shapes, whose classes are not taken: {count}.", count=count)
    elif each.columns and not each.label_columns:
        yield Message("No column gives the class.")
    if each.split_column:
        yield Message("“{name}” gives the splits.", name=each.split_column)
    if each.unlabelled_folders:
        names = listed(each.unlabelled_folders, _MOST)
        yield Message("Images in the folders {names} have no class.", names=names)


def _file_notes(each: Interpretation) -> Iterator[Message]:
    """Yield the notes on joined files and columns, on images found by their names, and on what is not used."""
    if each.joined:
        names = listed([path.name for path in each.joined], _MOST)
        yield Message("{file} is joined with {names}.", file=each.file.name, names=names)
    if each.other_images:
        yield Message("Images in the columns {names} get no class.", names=listed(each.other_images, _MOST))
    if each.separator:
        yield Message("In a cell, “{sign}” separates several classes.", sign=each.separator)
    if each.found_elsewhere:
        yield Message("Images found by name in another folder: {count}.", count=each.found_elsewhere)
    if each.found_by_number:
        yield Message("Images found by the number that their name contains: {count}.", count=each.found_by_number)
    if each.ambiguous:
        yield Message("Names of several images, which get no class: {count}.", count=each.ambiguous)
    if each.unread:
        yield Message("Not used, though they may hold labels: {names}.", names=listed(each.unread, _MOST))
