"""How much libtiff would allocate for one strip or tile of a TIFF, by the directory as it stands in the file.

Pillow and libtiff each read the directory themselves and do not agree on entries that occur twice or have several
values; Pillow checks the picture's size, but not the strips and tiles that libtiff makes buffers for. So here every
entry counts with the largest of its values.
"""

import struct
from typing import BinaryIO, Final

_MAX_ENTRIES: Final = 4096
_MAX_VALUES: Final = 64
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_WIDTH, _LENGTH, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 258, 277, 278, 322, 323
_TAGS: Final = frozenset({_WIDTH, _LENGTH, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH})


def largest_chunk(handle: BinaryIO) -> int:
    """Return the bytes of the first picture's largest strip or tile, decoded; keep the position of `handle`.

    What cannot be read counts as nothing: Pillow has refused such a file or will.
    """
    position = handle.tell()
    try:
        tags = _largest_values(handle)
    except (struct.error, OverflowError):
        return 0
    finally:
        handle.seek(position)
    rows = min(tags.get(_ROWS_PER_STRIP, tags.get(_LENGTH, 0)), tags.get(_LENGTH, 0))
    pixels = max(tags.get(_WIDTH, 0) * rows, tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_LENGTH, 0))
    return pixels * tags.get(_SAMPLES, 1) * tags.get(_BITS, 1) // 8


def _largest_values(handle: BinaryIO) -> dict[int, int]:
    """Return the largest value of each tag of `_TAGS` in the first directory, classic TIFF or BigTIFF."""
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", head, 2)[0] == 43
    start = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]
    handle.seek(start)
    count = struct.unpack(order + ("Q" if is_big else "H"), handle.read(8 if is_big else 2))[0]
    size, layout = (20, "HHQ") if is_big else (12, "HHI")
    entries = handle.read(size * min(count, _MAX_ENTRIES))
    found: dict[int, int] = {}
    for at in range(0, len(entries) - size + 1, size):
        tag, kind, values = struct.unpack_from(order + layout, entries, at)
        if tag in _TAGS and kind in _INTEGERS and values:
            field = entries[at + struct.calcsize(order + layout) : at + size]
            layout_of_values = f"{order}{min(values, _MAX_VALUES)}{_INTEGERS[kind]}"
            largest = max(_values(handle, order, field, layout_of_values, is_whole=values <= _MAX_VALUES))
            found[tag] = max(found.get(tag, 0), largest)
    return found


def _values(handle: BinaryIO, order: str, field: bytes, layout: str, *, is_whole: bool) -> tuple[int, ...]:
    """Return an entry's values, which stand in its own field where they fit in there."""
    size = struct.calcsize(layout)
    if size <= len(field) and is_whole:
        return struct.unpack_from(layout, field)
    handle.seek(struct.unpack(order + ("Q" if len(field) == 8 else "I"), field)[0])
    data = handle.read(size)
    return struct.unpack(layout, data) if len(data) == size else (0,)
