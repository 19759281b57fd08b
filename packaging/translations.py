"""The German of the window and its manual: `python packaging/translations.py update|compile|check|manual`.

    update     add new message ids to the catalogues, with an empty translation, and drop the unused
    compile    write the .mo file beside each .po file (packaging/start.py, the wheel and the tests do it by themselves)
    check      print ids without a translation, translations with other placeholders or written twice in a row, pages of
               the manual that changed
    manual     write into translated pages (de/train.md ...) that they translate the English pages as they are now

A message id is a literal: an argument of `tr` or `Message`, of a parameter or field annotated `Text` (or handed on to
`tr`), of an expected error or `Problem` (message, hint), of `Notice(message=)`, `Progress(stage=)` or
`setting(label=, help=, unit=, choices=)`. `update` needs Babel; the rest only the standard library.
"""

import ast
import hashlib
import os
import re
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CATALOGUES = ROOT / "resources/translations"
MANUAL = ROOT / "docs/manual"
DOMAIN = "visionft"
_ENGLISH_PACKAGES = {"cli", "api", "starter"}  # the command line and the Python interface are English
_ERROR = "VisionFTError"
_TEXT_PARAMETERS = {
    "tr": {0: "message", 1: "plural"},
    "Message": {0: "template", 1: "plural"},
    _ERROR: {0: "message", 1: "hint"},
    "Problem": {1: "message", 2: "hint"},
    "Notice": {-1: "message"},
    "Progress": {-1: "stage"},
    "setting": {-1: "label", -2: "help", -3: "unit", -4: "choices"},
}
_ACTIONS = {"add": {1: "title", -1: "menu", -2: "also"}}  # in gui/<screen>/<screen>_actions.py
_FIELD = re.compile(r"{(\w*)[^{}]*}")


@dataclass(frozen=True)
class Translatable:
    """A message id with its plural (empty without one) and the files that use it."""

    template: str
    plural: str
    files: tuple[str, ...]


# -- the source ---------------------------------------------------------------------------------------------------


def source_files(root: Path = ROOT) -> dict[str, ast.Module]:
    """Return the modules whose texts the window shows, by path."""
    paths = sorted(path for package in ("gui", "models", "visionft") for path in (root / package).rglob("*.py"))
    kept = [path for path in paths if not _ENGLISH_PACKAGES & set(path.relative_to(root).parts)]
    return {path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in kept}


def entries(trees: dict[str, ast.Module]) -> list[Translatable]:
    """Return the message ids of the source, sorted.

    Raises:
        ValueError: An id has two plurals.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    plurals: dict[str, str] = {}
    sinks = text_parameters(trees.values())
    for path, tree in trees.items():
        for template, plural in _ids(tree, sinks | _ACTIONS if path.endswith("_actions.py") else sinks):
            if plural and plurals.setdefault(template, plural) != plural:
                raise ValueError(f"{path}: {template!r} has two plurals: {plural!r} and {plurals[template]!r}")
            found[template].add(path)
    return [
        Translatable(template, plurals.get(template, ""), tuple(sorted(files)))
        for template, files in sorted(found.items())
    ]


def text_parameters(trees: Iterable[ast.Module]) -> dict[str, dict[int, str]]:
    """Return {function or class: {position: parameter}} of the parameters and fields that take a text."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    found = {name: dict(places) for name, places in _TEXT_PARAMETERS.items()}
    bases: dict[str, list[str]] = {}
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            bases[node.name] = [name_of(base) for base in node.bases]
            places = _fields(node)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
            places = _parameters(node)
        else:
            continue
        if places and node.name not in _TEXT_PARAMETERS:
            found.setdefault(node.name, {}).update(places)
    for name in bases:
        ancestor = next((each for each in _ancestors(name, bases) if each in found), None)
        if ancestor is not None:
            found.setdefault(name, found[ancestor])
    return found


def _ancestors(name: str, bases: dict[str, list[str]]) -> Iterator[str]:
    for base in bases.get(name, []):
        yield base
        yield from _ancestors(base, bases)


def _parameters(function: ast.FunctionDef) -> dict[int, str]:
    """Return the text parameters of a function, keyword-only ones at negative positions."""
    arguments = function.args
    places = [*arguments.posonlyargs, *arguments.args]
    if places and places[0].arg in ("self", "cls"):
        places = places[1:]
    calls = [
        node for node in ast.walk(function) if isinstance(node, ast.Call) and name_of(node.func) == "tr" and node.args
    ]
    handed_on = {node.args[0].id for node in calls if isinstance(node.args[0], ast.Name)}
    found = [(place, argument) for place, argument in enumerate(places)]
    found += [(-1 - place, argument) for place, argument in enumerate(arguments.kwonlyargs)]
    return {
        place: argument.arg for place, argument in found if _is_text(argument.annotation) or argument.arg in handed_on
    }


def _fields(kind: ast.ClassDef) -> dict[int, str]:
    """Return the text parameters of a class: of its `__init__`, else its fields."""
    for node in kind.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            return _parameters(node)
    fields = [node for node in kind.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    fields = [node for node in fields if "ClassVar" not in ast.unparse(node.annotation)]
    return {place: node.target.id for place, node in enumerate(fields) if _is_text(node.annotation)}  # type: ignore[union-attr]


def _is_text(annotation: ast.expr | None) -> bool:
    return annotation is not None and re.search(r"\b(Text|LiteralString)\b", ast.unparse(annotation)) is not None


def _ids(tree: ast.Module, sinks: dict[str, dict[int, str]]) -> Iterator[tuple[str, str]]:
    """Yield the ids (template, plural) of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (places := sinks.get(name_of(node.func))):
            if name_of(node.func) in ("tr", "Message"):
                yield from _pair(node)
            else:
                for value in arguments_at(node, places):
                    yield from ((text, "") for text in literals(value))
        elif isinstance(node, ast.AnnAssign) and node.value is not None and _is_text(node.annotation):
            yield from ((text, "") for text in literals(node.value))
        elif isinstance(node, ast.FunctionDef):
            yield from _defaults(node)
            yield from ((text, "") for value in _assigned_texts(node, sinks) for text in literals(value))


def _pair(call: ast.Call) -> Iterator[tuple[str, str]]:
    texts = [list(literals(argument)) for argument in call.args[:2]]
    if len(texts) == 2 and texts[1]:
        yield from zip(texts[0], texts[1], strict=True)
    else:
        yield from ((text, "") for text in (texts[0] if texts else []))


def _defaults(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    named = [*function.args.posonlyargs, *function.args.args]
    plain = zip(named[::-1], function.args.defaults[::-1], strict=False)
    for argument, value in (*plain, *zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)):
        if value is not None and _is_text(argument.annotation):
            yield from ((text, "") for text in literals(value))


def _assigned_texts(function: ast.FunctionDef, sinks: dict[str, dict[int, str]]) -> Iterator[ast.expr]:
    """Yield the expressions assigned to local variables that are passed as a text argument to one of `sinks`."""
    nodes = list(ast.walk(function))
    calls = [(node, sinks.get(name_of(node.func))) for node in nodes if isinstance(node, ast.Call)]
    arguments = [argument for call, places in calls if places for argument in arguments_at(call, places)]
    names = {choice.id for argument in arguments for choice in _choices(argument) if isinstance(choice, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if isinstance(target, ast.Name) and target.id in names:
                yield node.value


def _choices(value: ast.expr) -> tuple[ast.expr, ...]:
    return (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value,)


def arguments_at(call: ast.Call, places: dict[int, str]) -> Iterator[ast.expr]:
    """Yield the arguments of a call at these positions or keywords."""
    names = set(places.values())
    yield from (argument for place, argument in enumerate(call.args) if place in places)
    yield from (keyword.value for keyword in call.keywords if keyword.arg in names)


def literals(value: ast.expr) -> Iterator[str]:
    """Yield the literal texts that an expression may be; those with fewer than two letters are no texts."""
    match value:
        case ast.Constant(value=str() as text):
            if sum(map(str.isalpha, _FIELD.sub("", text))) > 1:
                yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*literals(body), *literals(orelse))
        case ast.BoolOp(values=several) | ast.Tuple(elts=several) | ast.List(elts=several) | ast.Dict(values=several):
            for each in several:
                yield from literals(each)


def name_of(called: ast.expr) -> str:
    """Return the last name of a called function or a base class."""
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


# -- the catalogues -----------------------------------------------------------------------------------------------


def catalogues() -> dict[str, Path]:
    """Return the .po file of each language."""
    return {path.parent.parent.name: path for path in sorted(CATALOGUES.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))}


def read_po(path: Path) -> dict[tuple[str, str], list[str]]:
    """Return {(id, plural): translations} of a .po file, the header under ("", "")."""
    found: dict[tuple[str, str], list[str]] = {}
    fields: dict[str, str] = {}
    field = ""
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        start, quote, rest = line.partition('"')
        if line.startswith("#") or not (quote or not line.strip()):
            continue
        if not quote:
            _take(fields, found)
            fields = {}
            continue
        field = start.strip() or field
        fields[field] = fields.get(field, "") + ast.literal_eval(quote + rest)
    return found


def _take(fields: dict[str, str], found: dict[tuple[str, str], list[str]]) -> None:
    if "msgid" in fields:
        texts = [fields[name] for name in sorted(fields) if name.startswith("msgstr")]
        found[fields["msgid"], fields.get("msgid_plural", "")] = texts


def compile_stale() -> None:
    """Write the .mo file of each language that has none or an older one than its .po file."""
    for source in catalogues().values():
        target = source.with_suffix(".mo")
        if not target.exists() or target.stat().st_mtime_ns < source.stat().st_mtime_ns:
            part = target.with_suffix(f".{os.getpid()}.part")
            part.write_bytes(as_mo(read_po(source)))
            part.replace(target)


def as_mo(messages: dict[tuple[str, str], list[str]]) -> bytes:
    """Return a catalogue in the binary format of GNU gettext (MO, version 0): its untranslated messages left out."""
    pairs = [
        ("\0".join(filter(None, key)).encode(), "\0".join(texts).encode())
        for key, texts in messages.items()
        if all(texts)
    ]
    pairs.sort()
    start = 28 + 16 * len(pairs)  # after the header and two tables of (length, offset)
    tables, data = [], b""
    for place in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<2I", len(pair[place]), start + len(data)))
            data += pair[place] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    return header + b"".join(tables) + data


def problems(found: list[Translatable], messages: dict[tuple[str, str], list[str]]) -> list[str]:
    """Return what is wrong with a catalogue.

    That is missing and unused ids, and translations with other placeholders or written twice in a row, as a bad merge
    of a file leaves them.
    """
    ids = {(each.template, each.plural) for each in found}
    lines = [f"missing: {key[0]}" for key in sorted(ids) if not all(messages.get(key, [""]))]
    lines += [f"unused: {key[0]}" for key in sorted(messages.keys() - ids - {("", "")})]
    for (template, plural), texts in messages.items():
        if (template and _names(texts[-1]) != _names(plural or template)) or _names(texts[0]) - _names(
            template + plural
        ):
            lines.append(f"placeholders differ: {template}")
        lines += [f"translated twice in a row: {template}"] if any(map(_is_doubled, texts)) else []
    return lines


def _is_doubled(text: str) -> bool:
    """Return whether a text is two equal halves, with or without a space between them."""
    half = len(text) // 2
    return half > 0 and text[:half].strip() == text[half:].strip()


def _names(text: str) -> set[str]:
    return set(_FIELD.findall(text))


def update() -> None:
    """Bring the catalogues in line with the source: new ids without a translation, unused ones dropped."""
    from babel.messages.pofile import read_po as read_catalogue
    from babel.messages.pofile import write_po

    template = as_template()
    for code, path in catalogues().items():
        with path.open("rb") as file:
            catalogue = read_catalogue(file, locale=code)
        catalogue.update(template, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.obsolete.clear()
        header = path.read_text(encoding="utf-8").partition("\n\n")[0]  # Babel drops X-Language-Name
        written = BytesIO()
        write_po(written, catalogue, width=110, sort_output=True, no_location=True, ignore_obsolete=True)
        ids = written.getvalue().decode().partition("\n\n")[2]
        path.write_text(f"{header}\n\n{ids}", encoding="utf-8")


def as_template():
    """Return the message ids of the source as a Babel catalogue."""
    from babel.messages.catalog import Catalog

    template = Catalog(project="VisionFT", charset="utf-8")
    for entry in entries(source_files()):
        template.add(
            (entry.template, entry.plural) if entry.plural else entry.template,
            locations=[(file, 0) for file in entry.files],
        )
    return template


# -- the manual ---------------------------------------------------------------------------------------------------


def source_line(page: Path) -> str:
    """Return the last line of a translated page, which Markdown does not show: the English page and its Git hash."""
    text = (page.parents[1] / page.name).read_text(encoding="utf-8").encode()
    blob = hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False)
    return f'[translation of]: ../{page.name} "{blob.hexdigest()[:10]}"'


def record_source(page: Path) -> None:
    """Write into a translated page that it translates the English page as it is now."""
    text = page.read_text(encoding="utf-8").partition("\n[translation of]: ")[0].rstrip()
    page.write_text(f"{text}\n\n{source_line(page)}\n", encoding="utf-8")


def manual_problems(folder: Path, codes: Iterable[str]) -> list[str]:
    """Return which pages are missing, or translate an earlier text of the English page."""
    lines = []
    for page in [folder / code / english.name for code in codes for english in sorted(folder.glob("*.md"))]:
        last = page.read_text(encoding="utf-8").splitlines()[-1] if page.is_file() else ""
        if last != source_line(page):
            name, old = page.relative_to(folder).as_posix(), "".join(last.split('"')[1:2]) or "/dev/null"
            lines.append(f"manual/{name}: translate `git diff {old} docs/manual/{page.name}`, then run `manual {name}`")
    return lines


def main(arguments: list[str]) -> int:
    """Run a command of the module's docstring; return its exit code."""
    match arguments:
        case ["update"]:
            update()
        case ["compile"]:
            compile_stale()
        case ["check"]:
            found = entries(source_files())
            lines = [
                f"{code}: {line}" for code, path in catalogues().items() for line in problems(found, read_po(path))
            ]
            lines += manual_problems(MANUAL, catalogues())
            print(*lines, sep="\n", end="\n" if lines else "")
            return min(1, len(lines))
        case ["manual", *names]:
            for name in names:
                record_source(MANUAL / name)
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
