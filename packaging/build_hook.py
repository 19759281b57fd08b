"""Compiles the translations, and gives the wheel's modules the names that they have in it (hatchling calls it)."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelHook(BuildHookInterface):
    """Writes the .mo files, which the wheel takes as artifacts, and the modules whose imports are others there."""

    folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the catalogues that changed; for a wheel, put changed modules in place of those of the sources."""
        sys.path.insert(0, str(Path(self.root) / "packaging"))
        from translations import compile_stale
        from wheel_imports import INSIDE, with_wheel_imports

        compile_stale()
        if version == "editable":
            return
        self.folder = Path(tempfile.mkdtemp(prefix="visionft-wheel-"))
        for package in ("visionft", *INSIDE):
            for path in sorted((Path(self.root) / package).rglob("*.py*")):
                if path.suffix not in (".py", ".pyi"):
                    continue
                source = path.read_bytes().decode()
                made = with_wheel_imports(source)
                if made != source:
                    name = path.relative_to(self.root)
                    target = self.folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(made.encode())
                    build_data["force_include"][str(target)] = str(name if package == "visionft" else "visionft" / name)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the changed modules; the wheel has them."""
        if self.folder is not None:
            shutil.rmtree(self.folder)
