"""Settings survive a restart and a damaged file."""

from pathlib import Path

from gui import preferences
from gui.preferences import Settings


def test_settings_come_back_as_they_were_saved():
    saved = Settings(theme="dark", font_scale=1.3, recent_projects=("/a", "/b"))
    preferences.save_settings(saved)
    assert preferences.load_settings() == saved


def test_settings_of_version_0_2_are_read_without_their_own_keys():
    target = preferences.settings_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text('{"theme": "dark", "shortcuts": {"edit.undo": "Ctrl+U"}}')
    assert preferences.load_settings() == Settings(theme="dark")


def test_a_damaged_file_gives_the_defaults():
    target = preferences.settings_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    for content in (
        "{",
        "[1, 2]",
        "[" * 100_000,
        '{"theme": "pink", "font_scale": "big", "recent_projects": 7, "later": 1}',
    ):
        target.write_text(content)
        assert preferences.load_settings() == Settings()


def test_an_unwritable_place_costs_only_the_preference(tmp_path: Path, monkeypatch, caplog):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setattr(preferences, "settings_path", lambda: blocker / "window.json")
    preferences.save_settings(Settings(theme="dark"))
    assert "not saved" in caplog.text


def test_the_latest_project_is_first_once_and_the_list_is_bounded(tmp_path: Path):
    chosen = Settings()
    for name in [*map(str, range(12)), "5"]:
        chosen = preferences.with_recent(chosen, tmp_path / name)
    assert len(chosen.recent_projects) == preferences.MAX_RECENT
    assert Path(chosen.recent_projects[0]).name == "5"
    assert len(set(chosen.recent_projects)) == preferences.MAX_RECENT
    assert preferences.without_recent(chosen, tmp_path / "5").recent_projects == chosen.recent_projects[1:]
