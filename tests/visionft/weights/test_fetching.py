"""Downloading from a hub with interruptions, wrong data or delays: the whole file, or a message and no file."""

import errno
import itertools
import logging
import os
import shutil
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.table import METHODS
from models.pins import Pin
from visionft.errors import NextStep, VisionFTError, WeightsError
from visionft.events import Event, Notice, Progress, RunStarted
from visionft.jobs import JobContext
from visionft.log import LineFormatter
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.weights import hub
from visionft.weights.fetching import fetch
from visionft.weights.locations import missing, substitutes
from visionft.weights.offline import offline_reason, set_offline
from visionft.weights.records import read_record
from visionft.weights.states import weights_state
from visionft.weights.weights_loading import weights_loader

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


@pytest.mark.parametrize("honours_range", [True, False])
def test_what_arrived_before_a_failure_is_not_fetched_twice(honours_range: bool, hub_server, weights_home) -> None:
    hub_server.statuses, hub_server.breaks_after = [200, 200, *[503] * hub.TRIES], 400_000
    hub_server.honours_range = honours_range
    with pytest.raises(WeightsError, match="503"):
        fetch(ROW)
    assert files(weights_home) == {part_of(weights_home).name}
    assert weights_state(ROW).partial_bytes == 400_000 and not weights_state(ROW).is_here
    hub_server.breaks_after = None
    path = fetch(ROW)
    assert path and path.read_bytes() == hub_server.content  # read from the start by a server that cannot go on
    assert hub_server.requests[-1] == ("GET", hub_server.requests[-1][1], "bytes=400000-")
    assert hub_server.sent == len(hub_server.content) + (0 if honours_range else 400_000)


def test_a_piece_that_was_damaged_is_noticed_and_one_of_an_older_version_dropped(hub_server, weights_home) -> None:
    old, part = (weights_home / f".test_vit.{name}.part" for name in ("0123456789abcdef", hub_server.sha256[:16]))
    for path in (old, part):
        path.write_bytes(b"x" * 1000)
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch(ROW)
    assert files(weights_home) == set()
    assert fetch(ROW).read_bytes() == hub_server.content


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


def test_waiting_for_a_busy_hub_can_be_stopped(hub_server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "FIRST_WAIT_S", 60.0)
    hub_server.statuses, hub_server.is_for_ever = [503], True
    assert fetch(ROW, job=JobContext(cancelled=lambda: bool(hub_server.requests))) is None
    assert len(hub_server.requests) == 1


def test_two_at_once_fetch_it_once(hub_server, weights_home: Path) -> None:
    hub_server.pause_s = 0.002
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(fetch, [ROW, ROW]))
    assert results == [weights_home / "test_vit.safetensors"] * 2
    assert hub_server.sent == len(hub_server.content)


def test_a_full_disk_is_said_before_a_byte_comes(hub_server, weights_home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    with pytest.raises(WeightsError, match=r"1\.0 MB.*51 MB.*VISIONFT_WEIGHTS"):
        fetch(ROW)
    assert hub_server.sent == 0 and files(weights_home) == set()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(WeightsError, match=r"timm/test_vit\.r160_in1k"):
        fetch(ROW)
    with pytest.raises(WeightsError, match="bare"):
        fetch(replace(ROW, name="bare", hub_id=""))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_a_disk_that_fills_up_is_said(hub_server, weights_home: Path) -> None:
    part = weights_home / f".test_vit.{hub_server.sha256[:16]}.part"
    part.symlink_to("/dev/full")
    with pytest.raises(VisionFTError, match=os.strerror(errno.ENOSPC)):
        fetch(ROW)
    assert not weights_state(ROW).is_here


@pytest.mark.skipif(os.name == "nt", reason="permissions are no bits there")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission_is_said(mode: int, hub_server, weights_home: Path, unprivileged) -> None:
    weights_home.chmod(mode)
    with unprivileged(), pytest.raises(WeightsError, match=f"{os.strerror(errno.EACCES)}.*VISIONFT_WEIGHTS"):
        fetch(ROW)


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


@pytest.mark.parametrize("name", [name for name, row in BACKBONES.items() if row.text is not None])
def test_no_network_without_a_text_side_is_advised_in_place_of_one(name: str, monkeypatch, weights_home: Path) -> None:
    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        fetch(BACKBONES[name])
    for error in (missing(BACKBONES[name]), caught.value):
        assert BACKBONES[name].hub_file in error.hint and substitutes(ROW) not in error.hint


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
