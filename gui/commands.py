"""Every command of the window: for the palette, for the shortcut sheet. Built anew each time, from what is possible."""

from typing import TYPE_CHECKING

from gui.widgets.palette import Command
from gui.widgets.shortcut_sheet import Group

if TYPE_CHECKING:
    from gui.main_window import MainWindow


def commands(window: "MainWindow") -> list[Command]:
    """Return what can be done now."""
    return [*_page_commands(window), *_job_commands(window), *_project_commands(window), *_look_commands(window)]


def _page_commands(window: "MainWindow") -> list[Command]:
    return [
        Command(title=f"Go to {page.title}", keys=f"Ctrl+{number}", act=lambda name=name: window.show_page(name))
        for number, (name, page) in enumerate(window.entries.items(), 1)
    ]


def _job_commands(window: "MainWindow") -> list[Command]:
    state = window.state
    if state.job_info is not None:
        return [Command(title=f"Stop: {state.job_info.title}", act=state.stop_job)]
    if state.project is None:
        return []
    return [Command(title="Start training with the settings on Train", keys="Ctrl+Enter", act=window.start_training)]


def _project_commands(window: "MainWindow") -> list[Command]:
    state, project = window.state, window.state.project
    found = [
        Command(title="New project", act=lambda: window.on_page("project", "ask_new_project")),
        Command(title="Open project", act=lambda: window.on_page("project", "choose_project")),
    ]
    if project is None:
        return [*found, Command(title="Try a sample project", act=lambda: window.on_page("project", "try_sample"))]
    if project.undo_title:
        found.append(Command(title=f"Undo: {project.undo_title}", keys="Ctrl+Z", act=state.undo))
    if project.redo_title:
        found.append(Command(title=f"Redo: {project.redo_title}", keys="Ctrl+Shift+Z", act=state.redo))
    found.append(Command(title="Import pictures", act=lambda: window.on_page("project", "choose_pictures")))
    if state.job_info is None:
        found.append(Command(title="Close project", act=state.close_project))
    return found


def _look_commands(window: "MainWindow") -> list[Command]:
    state = window.state
    looks = [
        Command(title=f"Theme: {name}", act=lambda name=name: state.change_settings(theme=name.lower()))
        for name in ("Light", "Dark", "System")
        if name.lower() != state.settings.theme
    ]
    return [*looks, Command(title="Keyboard shortcuts", keys="?", act=window.show_shortcuts)]


def shortcut_groups(window: "MainWindow") -> list[Group]:
    """Return all keys, by place."""
    pages = [(f"Ctrl+{number}", page.title) for number, page in enumerate(window.entries.values(), 1)]
    return [
        ("Everywhere", [("Ctrl+K", "All commands"), ("?", "This sheet"), ("Ctrl+Z", "Undo"),
                        ("Ctrl+Shift+Z / Ctrl+Y", "Redo"), ("Ctrl+Tab", "Next page")]),
        ("Pages", pages),
        ("Label", [("1 / … / 9", "Give the class"), ("0", "Clear the labels"), ("A / D", "Previous, next"),
                   ("Ctrl+A / Ctrl+D", "Previous, next without a label"), ("N", "Skip"),
                   ("Shift+arrows", "Select several"), ("Ctrl+Shift+A", "Select all"),
                   ("Del", "Take out of the project"), ("Enter", "Open or close the viewer")]),
        ("Viewer", [("F", "Fit"), ("Z", "Real pixels"), ("+ / -", "Zoom"), ("Esc", "Back to the grid")]),
        ("Train, Try", [("Ctrl+Enter", "Start training"), ("Ctrl+V", "Try a picture from the clipboard")]),
    ]  # fmt: skip
