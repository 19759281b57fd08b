"""Compiles the translations, which the wheel takes as artifacts (hatchling calls it)."""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface):
    """Writes the .mo files before a wheel, or an editable installation, is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the catalogues that changed."""
        sys.path.insert(0, str(Path(self.root) / "packaging"))
        from translations import compile_stale

        compile_stale()
