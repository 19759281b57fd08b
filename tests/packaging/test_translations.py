"""The message ids of the source, and catalogues that fit them."""

import ast
import gettext
from io import BytesIO

import pytest
from babel.messages.pofile import read_po as read_by_babel
from translations import (
    MANUAL,
    ROOT,
    arguments_at,
    as_mo,
    catalogues,
    entries,
    manual_problems,
    name_of,
    problems,
    read_po,
    record_source,
    source_files,
    text_parameters,
)

SOURCE = """
class Badge:
    title: Text
    colour: str
class Missing(VisionFTError): ...
def label(name: Text = "Untitled", *, note: str = ""): ...
def banner(message, size): self.setText(tr(message))
def use():
    label("Import", note="data")
    banner("Saved" if done else "Failed", "data")
    Badge("Good", "green")
    tr("{count} image", "{count} images", count=count)
    raise Missing("Nothing here.", Message("Look in {folder}.", folder=folder))
    Notice(message="Skipped.", level="warning")
    Progress(stage="Reading", unit="images")
    setting(0.1, label="Rate", help="How fast.")
"""


def test_an_id_is_a_literal_where_a_text_is_wanted():
    found = [(each.template, each.plural) for each in entries({"a.py": ast.parse(SOURCE)})]
    plain = ["Failed", "Good", "How fast.", "Import", "Look in {folder}.", "Nothing here.", "Rate", "Reading", "Saved"]
    assert found == [*((each, "") for each in [*plain, "Skipped.", "Untitled"]), ("{count} image", "{count} images")]


@pytest.mark.parametrize("code", catalogues())
def test_a_catalogue_translates_every_id_of_the_source_and_no_other(code):
    assert problems(entries(source_files()), read_po(catalogues()[code])) == []


def test_missing_unused_and_misfilled_translations_are_named():
    source = 'tr("New {name}", name=name); tr("Old {name}", name=name); tr("{count} box", "{count} boxes", count=2)'
    found = entries({"a.py": ast.parse(source)})
    messages = {
        ("Old {name}", ""): ["Alt {nme}"],
        ("Gone", ""): ["Weg"],
        ("{count} box", "{count} boxes"): ["ein Kasten", ""],
    }
    assert problems(found, messages) == [
        "missing: New {name}",
        "missing: {count} box",
        "unused: Gone",
        "placeholders differ: Old {name}",
        "placeholders differ: {count} box",
    ]


@pytest.mark.parametrize("path", catalogues().values(), ids=list(catalogues()))
def test_our_reader_and_compiler_agree_with_babel_and_gettext(path):
    messages = read_po(path)
    theirs = read_by_babel(BytesIO(path.read_bytes()))
    as_key = {each.id if isinstance(each.id, tuple) else (each.id, ""): each.string for each in theirs if each.id}
    assert {key: texts if key[1] else texts[0] for key, texts in messages.items() if key[0]} == {
        key: list(text) if key[1] else text for key, text in as_key.items()
    }
    catalogue = gettext.GNUTranslations(BytesIO(as_mo(messages)))
    for (template, plural), texts in messages.items():
        shown = (
            [catalogue.ngettext(template, plural, number) for number in (1, 2)]
            if plural
            else [catalogue.gettext(template)]
        )
        assert not template or shown == texts


def test_errors_and_progress_of_the_engine_carry_their_values_in_messages():
    """An f-string there would have no id: `Message("{path} is missing.", path=path)` has one."""
    trees = {path: tree for path, tree in source_files(ROOT).items() if not path.startswith("gui/")}
    sinks = text_parameters(trees.values())
    found = []
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (places := sinks.get(name_of(node.func))):
                texts = [each for each in arguments_at(node, places) if isinstance(each, ast.JoinedStr)]
                found += [f"{path}:{each.lineno} {ast.unparse(each)}" for each in texts]
    assert not found


def test_a_page_of_the_manual_is_named_until_its_translation_is_brought_up_to_date(tmp_path):
    (tmp_path / "de").mkdir()
    (tmp_path / "train.md").write_text("# Train\n", encoding="utf-8")
    assert len(manual_problems(tmp_path, ["de"])) == 1
    translated = tmp_path / "de/train.md"
    translated.write_text("# Trainieren\n", encoding="utf-8")
    for text in ("# Train\n", "# Train\n\nIt takes minutes.\n"):
        (tmp_path / "train.md").write_text(text, encoding="utf-8")
        (line,) = manual_problems(tmp_path, ["de"])
        assert "manual de/train.md" in line
        record_source(translated)
        assert manual_problems(tmp_path, ["de"]) == []
    assert translated.read_text(encoding="utf-8").count("translation of") == 1


def test_the_manual_is_translated_as_it_is_now():
    assert manual_problems(MANUAL, catalogues()) == []
