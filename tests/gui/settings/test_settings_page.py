"""The settings page: every choice takes effect at its place."""

import os

import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QBoxLayout

from gui import preferences
from gui.kit import dialogs
from gui.kit.side_by_side import SideBySide
from gui.kit.thumbnail_cache import cache_folder, trim_cache
from gui.kit.thumbnails import Unreadable, load_thumbnail
from gui.preferences import Settings, load_settings
from visionft.data.cache_space import cache_limit
from visionft.data.limits import image_limit
from visionft.devices import likely_kinds
from visionft.weights.locations import weights_folder
from visionft.weights.offline import offline_reason

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


@pytest.fixture(autouse=True)
def _places_as_before(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield
    preferences.put_into_force(Settings())


@pytest.fixture
def page(window):
    window.show_page("settings")
    return window.page("settings")


def test_the_devices_that_are_here_can_be_chosen(qtbot, page, monkeypatch):
    model, expected = page.device_box.model(), [True, "cuda" in likely_kinds(), "mps" in likely_kinds(), True]
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
    preferences.put_into_force(Settings(is_offline=False, weights_folder=str(tmp_path / "chosen")))
    assert offline_reason() and weights_folder() == tmp_path / "given"
    assert preferences.offline_is_given() and preferences.is_given("VISIONFT_WEIGHTS")


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


@pytest.mark.parametrize(
    ("variable", "field", "limit", "box"),
    [
        ("VISIONFT_IMAGE_MB", "image_mb", image_limit, lambda page: page.image_box),
        ("VISIONFT_CACHE_MB", "decoded_mb", cache_limit, lambda page: page.decoded.limit_box),
    ],
)
def test_a_limit_of_the_environment_is_stronger(page, monkeypatch, variable, field, limit, box):
    monkeypatch.setenv(variable, "300")
    page.state.change_settings(**{field: 8000})
    preferences.put_into_force(page.state.settings)
    assert limit() == 300_000_000 and not box(page).isEnabled()


def test_the_weights_folder_can_be_moved_and_moved_back(qtbot, page, tmp_path, monkeypatch):
    before = weights_folder()
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_: tmp_path / "weights")
    qtbot.mouseClick(page.weights_button, LEFT)
    assert weights_folder() == tmp_path / "weights" and page.weights_place.text() == str(tmp_path / "weights")
    qtbot.mouseClick(page.weights_reset, LEFT)
    assert weights_folder() == before


def test_thumbnails_move_to_a_folder_of_their_own(qtbot, page, tmp_path, images, monkeypatch):
    chosen = tmp_path / "chosen"
    (chosen / "ab").mkdir(parents=True)
    (chosen / "ab" / "mine.jpg").write_bytes(b"not a thumbnail")
    monkeypatch.setattr(dialogs, "ask_folder", lambda *_: chosen)
    qtbot.mouseClick(page.cache_button, LEFT)
    load_thumbnail(images / "red" / "red_000.png")
    assert len(list(chosen.rglob("*.jpg"))) == 2
    page.refresh()
    qtbot.waitUntil(page.thumbnails.clear_button.isEnabled)
    qtbot.mouseClick(page.thumbnails.clear_button, LEFT)
    qtbot.waitUntil(lambda: page.thumbnails.size_label.text().startswith("0 files"))
    assert list(chosen.rglob("*.jpg")) == [chosen / "ab" / "mine.jpg"]


def test_the_longest_unused_thumbnails_go_first(qapp, images):
    paths = sorted((images / "red").iterdir())
    for place, path in enumerate(paths):
        load_thumbnail(path)
        newest = max(cache_folder().rglob("*.jpg"), key=lambda each: each.stat().st_ctime_ns)
        os.utime(newest, (1000 + place, 1000 + place))
    load_thumbnail(paths[0])  # the oldest is shown again
    used = trim_cache()
    assert used.files == 10
    left = trim_cache(used.bytes / 1e6 / 2)
    assert 0 < left.files < 10 and left.bytes <= used.bytes / 2
    assert max(path.stat().st_mtime for path in cache_folder().rglob("*.jpg")) > 2000
    assert min(path.stat().st_mtime for path in cache_folder().rglob("*.jpg")) > 1000


def test_another_language_offers_a_restart_once(page, monkeypatch):
    asked, requested = [], []
    monkeypatch.setattr(dialogs, "ask_yes", lambda *_args, **options: asked.append(options) or len(asked) > 1)
    page.state.restart_requested.connect(lambda: requested.append(True))
    page.language_box.activated.emit(page.language_box.findText("Deutsch"))
    assert load_settings().language == "de" and len(asked) == 1 and not requested
    page.language_box.activated.emit(page.language_box.findText("English"))
    assert load_settings().language == "en" and len(asked) == 1  # the language already shown
    page.language_box.activated.emit(page.language_box.findText("Deutsch"))
    assert len(asked) == 2 and requested == [True]


def test_columns_go_below_each_other_where_there_is_no_room(qtbot, page, window):
    columns = page.findChild(SideBySide).layout()
    window.resize(1280, 800)
    QApplication.processEvents()
    assert columns.direction() == QBoxLayout.Direction.LeftToRight
    window.state.change_settings(font_scale=1.5)
    qtbot.waitUntil(lambda: columns.direction() == QBoxLayout.Direction.TopToBottom)


def test_decoded_images_are_counted_limited_and_cleared(qtbot, page, images):
    from visionft.data import cache_space
    from visionft.data.image_cache import ImageCache

    card = page.decoded
    ImageCache.usual().load(images / "red" / "red_000.png", 64)
    page.refresh()
    qtbot.waitUntil(card.clear_button.isEnabled)
    assert card.size_label.text().startswith("1 file")
    card.limit_box.activated.emit(card.limit_box.findText("50 GB"))
    assert load_settings().decoded_mb == 50_000 and cache_limit() == 50_000_000_000
    qtbot.mouseClick(card.clear_button, LEFT)
    qtbot.waitUntil(lambda: card.size_label.text().startswith("0 files"))
    assert not cache_space.cache_folder().exists() and not card.clear_button.isEnabled()
    card.limit_box.activated.emit(card.limit_box.findText("Keep none"))
    assert cache_limit() == 0
    card.limit_box.activated.emit(card.limit_box.findText("20 GB"))
    assert cache_limit() == 20_000_000_000


def test_the_features_of_the_open_project_are_counted_and_cleared(qtbot, window, open_page, project_dir):
    from visionft.features.embedding import embed
    from visionft.features.feature_space import feature_use

    card = open_page("settings", project_dir).decoded
    session = window.state.session
    embed(project_dir, session.snapshot(), backbone="starter_resnet", size=64, device="cpu")
    window.page("settings").refresh()
    size = feature_use(project_dir).bytes
    qtbot.waitUntil(card.clear_button.isEnabled)
    qtbot.mouseClick(card.clear_button, LEFT)
    qtbot.waitUntil(lambda: card.size_label.text().startswith("0 files"))
    assert size > 0 and feature_use(project_dir).bytes == 0
    assert session.snapshot().images and all(image.path.is_file() for image in session.snapshot().images)


@pytest.mark.qt_log_ignore("does not support (grabbing|raise|propagateSizeHints)")
def test_a_box_shows_all_its_choices(qtbot, page):
    """Opened by a click, for the first time: the frame and padding of the style must not take the last one's place."""
    for box in (page.font_box, page.language_box, page.device_box):
        qtbot.mouseClick(box, LEFT)
        qtbot.waitUntil(box.view().isVisible)
        room = box.view().viewport().rect()
        places = [box.view().visualRect(box.model().index(line, 0)) for line in range(box.count())]
        assert all(place.top() >= 0 and place.bottom() <= room.bottom() for place in places)
        box.hidePopup()
