"""CVAT for images 1.1: one XML file; the tags of an image label it, boxes and other shapes mark a part.

Where there is a single tag, as `part`, the class is its attribute, as `state`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.sax.saxutils import quoteattr

from models.messages import Message
from visionft.errors import ProjectError
from visionft.files import write_text
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_listing, attempt
from visionft.project.formats.handing_out import LabelSet, xml_text
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import DEFAULTS, Interpretation, Listing, ReadOptions
from visionft.project.formats.whole_files import Element, a_name, a_split, no_such_file, xml_elements

_TITLE = "CVAT"
_SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
_SUBSETS = {"train": "Train", "val": "Validation", "test": "Test"}  # as CVAT's format list names them


def read_cvat(file: Path, options: ReadOptions = DEFAULTS) -> Listing:
    entries: list[Entry] = []
    classes: list[ClassLook] = []
    tags: set[str] = set()
    states: list[dict[str, str]] = []  # {attribute: its value} of the tags of each image
    for element in xml_elements(file):
        tags.add(element.tag)
        if element.tag == "meta":
            classes += _declared(element)
        if element.tag == "image":
            entries.append(attempt(file, f"line {element.line}", partial(_image, element)))
            given = (each for tag in element.all("tag") for each in tag.all("attribute") if each.text.strip())
            states.append({each.attributes.get("name", ""): each.text.strip() for each in given})
    if not entries:
        if "track" in tags:
            message = Message("{file} is of a video, not of images.", file=file)
            raise ProjectError(message, "Export it from CVAT as “CVAT for images”.")
        raise no_such_file(file, _TITLE)
    labels = {each.labels for each in entries if isinstance(each, ImageAnnotation) and each.labels}
    attributes = _attributes(states) if len(labels) == 1 else []
    if not attributes:
        return annotated_listing(file, _TITLE, entries, options, classes=classes)
    name = options.choice.label or (attributes[0] if len(attributes) == 1 else "")
    for place, (entry, state) in enumerate(zip(entries, states, strict=True)):
        if isinstance(entry, ImageAnnotation):
            entries[place] = replace(entry, labels=(state[name],) if state.get(name) else ())
    columns, chosen = ("name", *attributes), (name,) if name else ()
    fields = Interpretation(file=file, columns=columns, file_column="name", label_columns=chosen)
    return annotated_listing(file, _TITLE, entries, options, fields=fields)


def _attributes(states: Sequence[dict[str, str]]) -> list[str]:
    """Return the attributes of a single tag whose values differ, and recur."""
    names = dict.fromkeys(name for state in states for name in state)
    values = {name: [state[name] for state in states if name in state] for name in names}
    return [name for name, each in values.items() if 1 < len(set(each)) <= len(each) / 2]


def _image(image: Element) -> ImageAnnotation:
    return ImageAnnotation(
        name=a_name(image.attributes.get("name")),
        labels=tuple(a_name(tag.attributes.get("label")) for tag in image.all("tag")),
        marked=tuple(a_name(shape.attributes.get("label")) for shape in image.all(*_SHAPES)),
        split=a_split(image.attributes.get("subset")),
    )


def _declared(element: Element) -> Iterator[ClassLook]:
    """Yield the whole-image labels declared by a task, a job or a project, at any depth."""
    for child in element.children:
        if child.tag == "label" and child.text_of("name"):
            if child.text_of("type") in ("", "any", "tag"):  # CVAT before 2.2 writes no type
                yield ClassLook(child.text_of("name"), color=child.text_of("color") or None)
        else:
            yield from _declared(child)


def write_cvat(labels: LabelSet, target: Path) -> None:
    """Write one file; splits are subsets."""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>"]
    lines += ["  <meta>", "    <task>", f"      <name>{xml_text(labels.title)}</name>"]
    lines += [f"      <size>{len(labels.records)}</size>", "      <mode>annotation</mode>", "      <labels>"]
    for name in labels.classes:
        lines.append(f"        <label><name>{xml_text(name)}</name><type>tag</type></label>")
    lines += ["      </labels>", "    </task>", "  </meta>"]
    for number, record in enumerate(labels.records):
        values = {"id": number, "name": labels.name_of(record)}
        values |= {"subset": _SUBSETS[record.split]} if record.split else {}
        values |= dict(zip(("width", "height"), record.size, strict=True))
        attributes = " ".join(f"{key}={quoteattr(xml_text(str(value), is_raw=True))}" for key, value in values.items())
        lines.append(f"  <image {attributes}>")
        for label in record.labels:
            lines.append(f'    <tag label={quoteattr(xml_text(label, is_raw=True))} source="manual"></tag>')
        lines.append("  </image>")
    write_text(target, "\n".join([*lines, "</annotations>", ""]))
