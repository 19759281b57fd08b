"""Parts of HTML for notebooks: tables, thumbnails, bars, a confusion matrix, a line chart.

They hold no script and nothing of the network, and every text is escaped. Colours are translucent and lines take the
colour of the text, so they are readable on light and on dark pages.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from visionft.data.decode import decode
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.errors import ImageError
from visionft.foreign_text import printable

_QUALITY: Final = 80  # of a JPEG thumbnail
_ROWS: Final = 10  # of a table; the rest is counted
_CLASSES: Final = 40  # of a confusion matrix: of more, a notebook shows cells of less than 16 pixels
_COLOURS: Final = ("59, 130, 246", "245, 158, 11", "16, 185, 129")  # blue, amber, green: 3:1 against white and black
_FRAME: Final = "border-collapse:collapse;font-size:13px"
_CELL: Final = "padding:3px 8px;text-align:left;vertical-align:middle;border-bottom:1px solid rgba(127,127,127,.25)"


def text_html(words: object) -> str:
    """Return text escaped for HTML, without control characters: names are untrusted."""
    return escape(printable(str(words)))


def short_path(path: Path | str) -> str:
    """Return the name of a file with its folder: an output that is passed on names no folders of this computer."""
    return "/".join(Path(path).parts[-2:])


def thumbnail(path: Path, reading: ImageReading = AS_STORED, *, side: int = 240) -> str:
    """Return an image as a data URI, its longer side `side` pixels at most; empty where it cannot be decoded."""
    try:
        return picture(decode(path, max_side=side, reading=reading))
    except ImageError:
        return ""


def picture(pixels: np.ndarray) -> str:
    """Return uint8 (H, W, 3) RGB pixels as a data URI."""
    handle = BytesIO()
    Image.fromarray(pixels).save(handle, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(handle.getvalue()).decode()}"


def image_html(source: str, name: str, *, height: int) -> str:
    """Return an image element of a data URI; its name where there is none."""
    if not source:
        return text_html(name)
    style = f"height:{height}px;border-radius:3px;vertical-align:middle"
    return f'<img src="{source}" alt="{text_html(name)}" style="{style}">'


def table_html(columns: Mapping[str, Sequence[Any]], reading: ImageReading = AS_STORED) -> str:
    """Return columns of equal length as a table of the first rows; files of a column `path` as thumbnails too."""
    count = max(map(len, columns.values()), default=0)
    head = "".join(f'<th style="{_CELL}">{text_html(name)}</th>' for name in columns)
    body = ""
    for place in range(min(count, _ROWS)):
        cells = "".join(
            f'<td style="{_CELL}">{_cell_html(name, values[place], reading)}</td>' for name, values in columns.items()
        )
        body += f"<tr>{cells}</tr>"
    more = f"<div>{count - _ROWS:,} more rows</div>" if count > _ROWS else ""
    return f'<table style="{_FRAME}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}'


def _cell_html(name: str, value: Any, reading: ImageReading) -> str:
    if name == "path":
        shown = image_html(thumbnail(Path(value), reading, side=96), "", height=48)
        return f"{shown} {text_html(short_path(value))}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else text_html(value)


def bars_html(shares: Iterable[tuple[str, float]]) -> str:
    """Return named shares of 1 as horizontal bars."""
    rows = "".join(
        f'<tr><td style="padding:1px 8px 1px 0">{text_html(name)}</td><td style="width:180px">'
        f'<div style="width:{100 * share:.1f}%;height:12px;background:rgba({_COLOURS[0]},.6)"></div></td>'
        f'<td style="padding-left:8px;text-align:right">{share:.1%}</td></tr>'
        for name, share in shares
    )
    return f'<table style="{_FRAME}">{rows}</table>'


def confusion_html(names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return a confusion matrix: a row per true class, a column per predicted class, shaded by the share of its row.

    Args:
        names: The classes.
        counts: (C, C) counts of images.
    """
    if len(names) > _CLASSES:
        return f"<div>The confusion matrix of {len(names)} classes is too large to show.</div>"
    turned = "padding:6px 3px;vertical-align:bottom;writing-mode:vertical-rl;font-weight:normal"
    head = "".join(f'<th style="{turned}">{text_html(name)}</th>' for name in names)
    body = ""
    for true, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = max(1, sum(row))
        cells = ""
        for predicted, count in enumerate(row):
            colour = _COLOURS[0] if true == predicted else _COLOURS[1]
            shade = f"background:rgba({colour},{0.1 + 0.7 * count / total:.2f})" if count else "opacity:.3"
            cells += f'<td style="padding:3px 7px;text-align:center;{shade}">{count:,}</td>'
        body += f'<tr><th style="{_CELL};font-weight:normal">{text_html(name)}</th>{cells}</tr>'
    return (
        f'<table style="{_FRAME}"><thead><tr><td style="padding:3px 8px;opacity:.7">true \\ predicted</td>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table>"
    )


def chart_html(title: str, places: Sequence[float], lines: Mapping[str, Sequence[float | None]]) -> str:
    """Return lines over common places as an SVG chart with its largest and smallest value, and a legend.

    Args:
        places: (N,) places from left to right, such as epochs.
        lines: {name: (N,) values}, at most three; None where there is no value.
    """
    width, height, left, top, bottom = 320, 180, 52, 24, 24
    known = [value for values in lines.values() for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    first, last = min(places), max(places)

    def x(place: float) -> float:
        share = 0.5 if last == first else (place - first) / (last - first)
        return left + share * (width - left - 12)

    def y(value: float) -> float:
        share = 0.5 if high == low else (value - low) / (high - low)
        return height - bottom - share * (height - top - bottom)

    parts, marks = "", ""
    for (name, values), colour in zip(lines.items(), _COLOURS, strict=False):
        points = [(x(place), y(value)) for place, value in zip(places, values, strict=True) if value is not None]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        parts += f'<polyline points="{path}" fill="none" stroke="rgb({colour})" stroke-width="2"/>'
        parts += "".join(f'<circle cx="{a:.1f}" cy="{d:.1f}" r="2.5" fill="rgb({colour})"/>' for a, d in points)
        marks += f'<span style="color:rgb({colour})">■</span> {text_html(name)}&emsp;'
    for value in dict.fromkeys((low, high)):
        parts += (
            f'<line x1="{left}" x2="{width - 12}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="currentColor" '
            f'stroke-opacity=".2"/><text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    for place in dict.fromkeys((first, last)):
        parts += f'<text x="{x(place):.1f}" y="{height - 6}" text-anchor="middle">{place:g}</text>'
    return (
        f'<div style="display:inline-block;font-size:13px"><b>{text_html(title)}</b><br>'
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" fill="currentColor" font-size="11" '
        f'role="img" aria-label="{text_html(title)}">{parts}</svg><br>{marks}</div>'
    )
