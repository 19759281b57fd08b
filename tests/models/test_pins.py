"""The pins: whole, unique, of repositories that the catalog has, and of a size that the network can have."""

import re

import pytest

from models.catalog import BACKBONES
from models.pins import PINS, UNPINNED


def test_every_pin_is_whole_and_used() -> None:
    rows = {row.hub_id: row for row in BACKBONES.values() if row.hub_id}
    assert PINS.keys() <= rows.keys()
    for hub_id, pin in PINS.items():
        assert re.fullmatch(r"[0-9a-f]{40}", pin.revision)
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256) or rows[hub_id].text
        assert rows[hub_id].pin == pin
    hashes = [pin.sha256 for pin in PINS.values() if pin.sha256]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize("name", [name for name, row in BACKBONES.items() if row.pin.bytes])
def test_the_estimate_of_the_size_is_close_to_the_pinned_one(name: str) -> None:
    row = BACKBONES[name]
    from dataclasses import replace

    estimate = replace(row, pin=UNPINNED).hub_bytes
    assert abs(estimate / row.pin.bytes - 1) < 0.03
