"""CVAT for images 1.1: one XML file; the tags of an image label it, boxes and other shapes mark a part."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from visionft.errors import ProjectError
from visionft.files import atomic_path
from visionft.project.formats.annotated import Annotated, a_name, a_split, annotated_listing, attempt, no_such_file
from visionft.project.formats.handing_out import LabelSet, xml_text
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.listing import AUTOMATIC, ColumnChoice, Listing, Rejected
from visionft.project.formats.locating import PictureFinder
from visionft.project.formats.whole_files import Element, xml_elements

_TITLE = "CVAT"
_SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
_OF_PICTURES = ("", "any", "tag")  # types of labels that a whole image may have; CVAT before 2.2 names no type
_SUBSETS = {"train": "Train", "val": "Validation", "test": "Test"}  # as CVAT offers them


def read_cvat(
    file: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), choice: ColumnChoice = AUTOMATIC
) -> Listing:
    """List the pictures of a CVAT file; arguments as `readers.read_csv`.

    Raises:
        ProjectError: It is no CVAT file, or one of a video.
    """
    entries: list[Annotated | Rejected] = []
    classes: list[ClassLook] = []
    tags: set[str] = set()
    for element in xml_elements(file):
        tags.add(element.tag)
        if element.tag == "meta":
            classes += _declared(element)
        if element.tag == "image":
            place = f"line {element.line}"
            entries.append(attempt(file, place, lambda element=element, place=place: _picture(element, place)))
    if not entries:
        if "track" in tags:
            raise ProjectError(f"{file} is of a video, not of pictures.", "Export it from CVAT as “CVAT for images”.")
        raise no_such_file(file, _TITLE)
    finder = PictureFinder.of(file, is_confined=is_confined, beside=beside)
    return annotated_listing(file, _TITLE, entries, finder=finder, choice=choice, classes=classes)


def _picture(image: Element, place: str) -> Annotated:
    return Annotated(
        name=a_name(image.attributes.get("name")),
        place=place,
        labels=tuple(a_name(tag.attributes.get("label")) for tag in image.all("tag")),
        marked=tuple(a_name(shape.attributes.get("label")) for shape in image.all(*_SHAPES)),
        split=a_split(image.attributes.get("subset")),
    )


def _declared(element: Element) -> Iterator[ClassLook]:
    """Yield the labels that a task, a job or a project declares for whole images, wherever they stand."""
    for child in element.children:
        if child.tag == "label" and child.text_of("name"):
            if child.text_of("type") in _OF_PICTURES:
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
    with atomic_path(target) as temporary:
        temporary.write_text("\n".join([*lines, "</annotations>", ""]), encoding="utf-8", newline="\n")
