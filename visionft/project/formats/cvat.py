"""CVAT for images 1.1: one XML file. Tags are labels of whole images; boxes and other shapes mark parts.

If all images have the same tag, such as `part`, an attribute such as `state` gives the class.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.project.formats.annotated import Entry, ImageAnnotation, annotated_table, attempt
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImageTable, Interpretation, ReadOptions
from visionft.project.formats.labels_file import ClassLook
from visionft.project.formats.whole_files import Element, as_name, as_split, no_such_file, xml_elements

_TITLE = "CVAT"
_SHAPES = ("box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")


def read_cvat(file: Path, options: ReadOptions = DEFAULT_OPTIONS) -> ImageTable:
    """List the images of a CVAT file; if all have the same tag, the choice names the attribute with the class."""
    images, classes = _read_images(file)
    entries = [entry for entry, _ in images]
    labels = {entry.labels for entry in entries if isinstance(entry, ImageAnnotation) and entry.labels}
    attributes = _class_attributes([values for _, values in images]) if len(labels) == 1 else []
    if not attributes:
        return annotated_table(file, _TITLE, entries, options, classes=classes)
    attribute = options.choice.label or (attributes[0] if len(attributes) == 1 else "")
    entries = [_labelled_by(entry, values.get(attribute, "")) for entry, values in images]
    columns = ("name", *attributes)
    label_columns = (attribute,) if attribute else ()
    interpretation = Interpretation(file=file, columns=columns, file_column="name", label_columns=label_columns)
    return annotated_table(file, _TITLE, entries, options, fields=interpretation)


def _read_images(file: Path) -> tuple[list[tuple[Entry, dict[str, str]]], list[ClassLook]]:
    """Return the entry of each image with the attributes of its tags, and the declared classes.

    Raises:
        ProjectError: The file has no images. Files of videos have tracks instead.
    """
    images: list[tuple[Entry, dict[str, str]]] = []
    classes: list[ClassLook] = []
    is_video = False
    for element in xml_elements(file):
        if element.tag == "meta":
            classes += _declared(element)
        elif element.tag == "image":
            entry = attempt(file, f"line {element.line}", partial(_image, element))
            images.append((entry, _attributes_of_tags(element)))
        is_video = is_video or element.tag == "track"
    if images:
        return images, classes
    if is_video:
        message = Message("{file} is of a video, not of images.", file=file)
        raise ProjectError(message, "Export it from CVAT as “CVAT for images”.")
    raise no_such_file(file, _TITLE)


def _attributes_of_tags(image: Element) -> dict[str, str]:
    """Return {attribute: value} of the tags of an image."""
    attributes = (attribute for tag in image.all("tag") for attribute in tag.all("attribute") if attribute.text.strip())
    return {attribute.attributes.get("name", ""): attribute.text.strip() for attribute in attributes}


def _class_attributes(images: Sequence[dict[str, str]]) -> list[str]:
    """Return the attributes with at least two different values, each used twice on average.

    `state` of the tag `part` is `good` or `scratched`; `serial` differs for each image, so it gives no class.
    """
    names = dict.fromkeys(name for values in images for name in values)
    values_by_name = {name: [values[name] for values in images if name in values] for name in names}
    return [name for name, column in values_by_name.items() if 1 < len(set(column)) <= len(column) / 2]


def _labelled_by(entry: Entry, label: str) -> Entry:
    """Return an entry with `label` as its label; without a label if it is empty."""
    return replace(entry, labels=(label,) if label else ()) if isinstance(entry, ImageAnnotation) else entry


def _image(image: Element) -> ImageAnnotation:
    return ImageAnnotation(
        name=as_name(image.attributes.get("name")),
        labels=tuple(as_name(tag.attributes.get("label")) for tag in image.all("tag")),
        marked=tuple(as_name(shape.attributes.get("label")) for shape in image.all(*_SHAPES)),
        split=as_split(image.attributes.get("subset")),
    )


def _declared(element: Element) -> Iterator[ClassLook]:
    """Yield the whole-image labels declared by a task, a job or a project, at any depth."""
    for child in element.children:
        if child.tag == "label" and child.text_of("name"):
            if child.text_of("type") in ("", "any", "tag"):  # CVAT before 2.2 writes no type
                yield ClassLook(child.text_of("name"), color=child.text_of("color") or None)
        else:
            yield from _declared(child)
