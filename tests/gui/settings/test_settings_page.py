"""The settings page: every choice takes effect at its place."""

import os

import pytest
from PIL import Image
from PySide6.QtCore import Qt

from gui import preferences
from gui.kit import dialogs
from gui.kit.thumbnail_cache import cache_folder
from gui.kit.thumbnails import Unreadable, load_thumbnail
from gui.preferences import Settings, load_settings
from models.weights.locations import weights_folder
from visionft.core.devices import likely_device_kinds
from visionft.core.offline import offline_reason
from visionft.data.image_cache import cache_limit
from visionft.data.limits import image_limit

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(autouse=True)
def _places_as_before(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield
    preferences.apply_settings(Settings())


@pytest.fixture
def page(window):
    window.show_page("settings")
    return window.page("settings")


def test_the_devices_that_are_here_can_be_chosen(qtbot, page, monkeypatch):
    model, expected = (
        page.device_box.model(),
        [True, "cuda" in likely_device_kinds(), "mps" in likely_device_kinds(), True],
    )
    qtbot.waitUntil(lambda: [model.item(place).isEnabled() for place in range(4)] == expected)
    page.device_box.activated.emit(3)
    assert load_settings().device == "cpu"


def test_a_new_run_takes_the_chosen_device(window, open_page):
    train = open_page("train")
    assert train.config().device == "auto"
    window.state.change_settings(device="cpu")
    assert train.config().device == "cpu"


def test_working_offline_reaches_the_engine(qtbot, page):
    assert offline_reason() == ""
    page.offline_box.click()
    assert "offline" in offline_reason() and os.environ["VISIONFT_OFFLINE"] == "1"
    page.offline_box.click()
    assert offline_reason() == ""


def test_the_environment_is_stronger_than_the_setting(monkeypatch, tmp_path):
    monkeypatch.setenv("VISIONFT_OFFLINE", "1")
    monkeypatch.setenv("VISIONFT_WEIGHTS", str(tmp_path / "given"))
    preferences.apply_settings(Settings(is_offline=False, weights_folder=str(tmp_path / "chosen")))
    assert offline_reason() and weights_folder() == tmp_path / "given"
    assert preferences.is_offline_in_environment() and preferences.is_set_in_environment("VISIONFT_WEIGHTS")


@pytest.mark.slow
def test_a_large_image_may_have_more_memory(page, tmp_path):
    image = tmp_path / "large.png"
    Image.new("1", (11_000, 11_000)).save(image)
    refused = load_thumbnail(image)
    assert isinstance(refused, Unreadable) and "2.4 GB" in refused.reason and "2.0 GB" in refused.reason
    page.image_box.activated.emit(page.image_box.findText("4 GB"))
    assert load_settings().image_mb == 4000 and load_thumbnail(image).width() == 256
    page.image_box.activated.emit(page.image_box.findText("2 GB"))
    assert image_limit() == 2_000_000_000


def test_the_weights_folder_can_be_moved_and_moved_back(qtbot, page, tmp_path, monkeypatch):
    before = weights_folder()
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_: tmp_path / "weights")
    qtbot.mouseClick(page.weights_button, LEFT)
    assert weights_folder() == tmp_path / "weights" and page.weights_place.text() == str(tmp_path / "weights")
    qtbot.mouseClick(page.weights_reset, LEFT)
    assert weights_folder() == before


def test_another_language_is_kept_for_the_next_start(page):
    page.language_box.activated.emit(page.language_box.findText("Deutsch"))
    assert load_settings().language == "de"


def test_caches_are_measured_limited_and_cleared(qtbot, page, images):
    from visionft.data import image_cache
    from visionft.data.image_cache import ImageCache

    path = images / "red" / "red_000.png"
    ImageCache.default().load(path, 64)
    load_thumbnail(path)
    foreign = cache_folder() / "mine.jpg"
    foreign.write_bytes(b"not a thumbnail")
    page.refresh()
    qtbot.waitUntil(page.clear_button.isEnabled)
    page.decoded_box.activated.emit(page.decoded_box.findText("50 GB"))
    assert load_settings().decoded_mb == 50_000 and cache_limit() == 50_000_000_000
    qtbot.mouseClick(page.clear_button, LEFT)
    qtbot.waitUntil(lambda: page.size_label.text().startswith("0"))
    assert not image_cache.cache_folder().exists() and not page.clear_button.isEnabled()
    assert list(cache_folder().rglob("*.jpg")) == [foreign]
    page.decoded_box.activated.emit(page.decoded_box.findText("Keep none"))
    assert cache_limit() == 0
    page.decoded_box.activated.emit(page.decoded_box.findText("20 GB"))
    assert cache_limit() == 20_000_000_000
