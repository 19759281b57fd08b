"""Downloading from a hub with interruptions, wrong data or delays: the whole file, or a message and no file."""

import itertools
import logging
import os
import traceback
from dataclasses import replace
from pathlib import Path

import pytest

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.table import METHODS
from models.pins import Pin
from models.weights import hub
from models.weights.fetching import fetch
from models.weights.records import read_record, weights_state
from models.weights.weights_loading import weights_loader
from visionft.core.errors import NextStep, WeightsError
from visionft.core.events import Event, Notice, Progress, RunStarted
from visionft.core.jobs import JobContext
from visionft.core.log import LineFormatter
from visionft.core.offline import offline_reason, set_offline
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train

ROW = BACKBONES["test_vit"]


def files(folder: Path) -> set[str]:
    """Return the files of a weights folder, except the empty lock."""
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def part_of(folder: Path) -> Path:
    (part,) = folder.glob(".test_vit.*.part")
    return part


def test_it_comes_whole_checked_and_with_its_record(hub_server, weights_home: Path) -> None:
    events: list[Event] = []
    path = fetch(ROW, job=JobContext(events.append))
    assert path == weights_home / "test_vit.safetensors" and path.read_bytes() == hub_server.content
    record = read_record(path)
    assert record and record.sha256 == hub_server.sha256 and record.sha256_from == "hub"
    assert record.licence == "Apache-2.0" and record.origin == ROW.hub_id and record.revision == "c" * 40
    assert files(weights_home) == {"test_vit.safetensors", "test_vit.json"}
    done = [event.done for event in events if isinstance(event, Progress) and event.stage.startswith("MB")]
    assert done == sorted(done) and done[-1] == len(hub_server.content) // 10**6
    assert any(isinstance(event, Notice) and "licence Apache-2.0" in event.message for event in events)
    assert build_classifier(ROW, METHODS["linear"], classes=2, weights=weights_loader()).loaded.sha256 == record.sha256
    asked = len(hub_server.requests)
    assert fetch(ROW) == path and len(hub_server.requests) == asked  # once
    assert fetch(BACKBONES["starter_vit"]).name == "starter_vit.safetensors"  # bundled


@pytest.mark.parametrize(
    ("trouble", "address"),
    [
        ({"stalls_after": 400_000}, "/timm/test_vit.r160_in1k/resolve/"),
        ({"breaks_after": 400_000, "redirects": True}, "/elsewhere?signed=yes"),
    ],
)
def test_a_connection_is_taken_up_again(trouble, address: str, hub_server, weights_home, monkeypatch) -> None:
    monkeypatch.setattr(hub, "TIMEOUT_S", 0.3)
    for name, value in trouble.items():
        setattr(hub_server, name, value)
    path = fetch(ROW)
    assert path and path.read_bytes() == hub_server.content
    record = read_record(path)
    assert record and record.sha256_from == "hub" and record.revision == "c" * 40  # sent before any redirect
    resumed = [path for method, path, wanted in hub_server.requests if (method, wanted) == ("GET", "bytes=400000-")]
    assert resumed and resumed[-1].startswith(address)


@pytest.mark.parametrize(
    ("lie", "expected"),
    [
        ({"stated_size": 1_000_000}, "1,000,000"),
        ({"stated_size": 9_000_000}, "9,000,000"),
        ({"stated_sha256": "a" * 64}, "SHA-256"),
        ({"content": b"<html>Please log in</html>"}, "safetensors"),
        ({"content": b"", "stated_size": 1}, "0 bytes"),
    ],
)
def test_lies_are_noticed_and_leave_nothing(lie: dict[str, object], expected: str, hub_server, weights_home) -> None:
    for name, value in lie.items():
        setattr(hub_server, name, value)
    with pytest.raises(WeightsError, match=rf"test_vit.*{expected}"):
        fetch(ROW)
    assert files(weights_home) == set() and not weights_state(ROW).is_here


def test_other_weights_than_the_catalogs_are_refused_before_a_byte_comes(hub_server, weights_home: Path) -> None:
    with pytest.raises(WeightsError, match="test_vit"):
        fetch(replace(ROW, pin=Pin(revision="e" * 40, sha256="f" * 64)))
    assert hub_server.sent == 0 and files(weights_home) == set()
    assert all("e" * 40 in path for _, path, _ in hub_server.requests)  # the pinned commit
    path = fetch(replace(ROW, pin=Pin(sha256=hub_server.sha256)))
    assert read_record(path).sha256_from == "catalog"
    path.unlink()
    hub_server.stated_sha256 = ""  # nobody states it
    record = read_record(fetch(ROW))
    assert (record.sha256, record.sha256_from) == (hub_server.sha256, "first sight")


@pytest.mark.parametrize("status", [404, 503])
def test_a_mirrors_password_is_shown_nowhere(status: int, hub_server, weights_home: Path, monkeypatch, caplog) -> None:
    hub_server.statuses, hub_server.is_for_ever = [status], True
    monkeypatch.setattr(hub, "FIRST_WAIT_S", 0.0)
    monkeypatch.setenv("HF_ENDPOINT", os.environ["HF_ENDPOINT"].replace("://", "://me:aWord-of-mine@"))
    caplog.set_level(logging.INFO, "visionft")
    with pytest.raises(WeightsError) as caught:
        fetch(ROW)
    assert hub_server.requests and str(status) in caught.value.message
    shown = [*traceback.format_exception(caught.value), *map(LineFormatter().format, caplog.records)]
    assert "aWord-of-mine" not in "".join(shown)


@pytest.mark.parametrize("status", [401, 403, 404, 418, 429, 503])
def test_refusals_say_the_next_step(status: int, hub_server, weights_home: Path) -> None:
    hub_server.statuses, hub_server.is_for_ever = [status], True
    with pytest.raises(WeightsError, match=str(status)) as caught:
        fetch(replace(ROW, pin=Pin(revision="e" * 40)))
    assert ("e" * 40 in caught.value.message) == (status not in (429, 503))
    assert "model.safetensors of timm/test_vit" in str(caught.value) and str(weights_home) in caught.value.hint
    assert caught.value.next_step == NextStep("import_weights", backbone="test_vit")
    assert files(weights_home) == set()
    assert len(hub_server.requests) == (hub.TRIES if status in (503, 429) else 1)
    hub_server.statuses, hub_server.is_for_ever = [503, 200, 503, 503], False
    assert fetch(ROW)  # a busy one is asked again


def test_a_slow_download_stops_when_asked_and_goes_on_later(hub_server, weights_home: Path) -> None:
    hub_server.pause_s = 0.01
    assert fetch(ROW, job=JobContext(cancelled=lambda: hub_server.sent > 100_000)) is None
    assert 0 < part_of(weights_home).stat().st_size < len(hub_server.content)
    assert files(weights_home) == {part_of(weights_home).name}
    hub_server.pause_s = 0
    path = fetch(ROW)
    assert path and path.read_bytes() == hub_server.content
    assert hub_server.requests[-1][2].startswith("bytes=")


@pytest.mark.parametrize("name", ["VISIONFT_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_asks_nobody(name: str, hub_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONFT_OFFLINE", "0")
    assert offline_reason() == ""
    monkeypatch.setenv(name, "1")
    assert name in offline_reason()
    with pytest.raises(WeightsError, match=name) as caught:
        fetch(ROW)
    assert caught.value.next_step == NextStep("import_weights", backbone="test_vit")
    assert hub_server.requests == []
    monkeypatch.delenv(name)
    set_offline(True)
    assert "VISIONFT_OFFLINE" in offline_reason()
    set_offline(False)
    assert offline_reason() == ""


def test_training_fetches_first_and_says_so(hub_server, snapshot, tmp_path: Path) -> None:
    events: list[Event] = []
    config = TrainConfig(backbone="test_vit", method="linear", image_size=64, epochs=1, device="cpu")
    result = train(config, snapshot, tmp_path / "run", job=JobContext(events.append))
    assert result.weights and result.weights.sha256 == hub_server.sha256 and result.weights.origin == ROW.hub_id
    before = itertools.takewhile(lambda event: not isinstance(event, RunStarted), events)
    assert any("test_vit" in event.stage for event in before if isinstance(event, Progress))


def test_a_licence_that_forbids_commercial_use_is_accepted_by_name_before_anything_is_asked(hub_server, weights_home):
    row = replace(ROW, name="timm/test_vit.mine", licence="CC-BY-NC-4.0")
    for accepted in ("", "Apache-2.0"):
        with pytest.raises(WeightsError, match=r"timm/test_vit\.mine.*CC-BY-NC-4\.0"):
            fetch(row, accepted=accepted)
    assert not hub_server.requests
    path = fetch(row, accepted="CC-BY-NC-4.0")
    assert path == weights_home / "timm_test_vit.mine.safetensors"
    record = read_record(path)
    assert record and (record.backbone, record.licence) == ("timm/test_vit.mine", "CC-BY-NC-4.0")
