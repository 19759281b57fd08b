"""The commands of the settings page."""

from functools import partial
from typing import TYPE_CHECKING

from gui.actions import Action
from gui.page import PageLink

if TYPE_CHECKING:
    from gui.settings.settings_page import SettingsPage


def settings_actions(link: "PageLink[SettingsPage]") -> list[Action]:
    add = partial(link.action, needs_project=False, menu="Run")
    return [
        add(
            "run.weights",
            "Pretrained weights",
            lambda p: p.show_weights_button.click(),
            begins_group=True,
        ),
        add("run.check", "Check this computer", lambda p: p.check(), lambda p: p.why_not_check()),
    ]
