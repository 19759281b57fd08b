"""Messages: a template with values, stored and read again, whoever wrote the file."""

import json

import pytest

from visionft.core.messages import Message, load_message, store_message

NESTED = Message("Tag {counted}", counted=Message("{count} image", "{count} images", count=1200))


def test_a_message_survives_storage_with_its_parts() -> None:
    read = load_message(store_message(NESTED))
    assert read == NESTED == "Tag 1,200 images" and read.template == "Tag {counted}"
    assert read.values["counted"].plural == "{count} images"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "stored",
    [
        json.dumps(["{x:9999999999}{x.__class__}", "", {"x": "a"}]),
        json.dumps(["{x}" * 1000, "", {"x": "a" * 1000}]),
        '["{x}", "", {"x": ' * 20_000 + '"a"' + "}]" * 20_000,
        "[" * 5000,
        '["{x}", "", {"y": 1}]',
        '["a"]',
    ],
)
def test_a_hostile_stored_message_is_bounded(stored) -> None:
    assert len(load_message(stored)) <= max(len(stored), 20_000)


def test_messages_within_messages_do_not_grow_without_bound() -> None:
    parts: object = "a" * 10
    for _ in range(40):
        parts = ["{x}{x}", "", {"x": parts}]
    stored = json.dumps(parts)
    assert len(load_message(stored)) <= max(len(stored), 20_000)
