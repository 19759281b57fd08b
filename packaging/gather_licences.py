"""Gather the licences of all packages in the frozen program; packaging/freeze.py calls it."""

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILDERS = {"pip", "setuptools", "altgraph", "pyinstaller", "pyinstaller-hooks-contrib"}  # not in the program
NAMES = ("licen", "copying", "notice", "authors")


def gather(folder: Path) -> list[str]:
    """Copy the licence files of all installed packages, and a list; return the packages without a licence file."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "packaging" / "licences" / "qt", folder / "Qt")
    for name in ("LICENSE", "THIRD_PARTY_NOTICES.md"):
        shutil.copy(ROOT / name, folder)
    rows, without = [], []
    for package in packages():
        name = package.metadata["Name"]
        texts = list(licence_files(package))
        for text in texts:
            place = folder / name / "-".join(text.parts[1:] or text.parts)
            place.parent.mkdir(exist_ok=True)
            shutil.copy(str(package.locate_file(text)), place)
        rows.append(f"{name} {package.version}: {said(package)}")
        if not texts:
            without.append(rows[-1])
    (folder / "PACKAGES.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return without


def packages() -> list[metadata.Distribution]:
    """Return the installed distributions, one per name, sorted by name."""
    found = {each.metadata["Name"].lower().replace("_", "-"): each for each in metadata.distributions()}
    return [found[name] for name in sorted(found.keys() - BUILDERS - {"visionft"})]


def licence_files(package: metadata.Distribution) -> Iterator[metadata.PackagePath]:
    """Yield the licence files of a package, by their names."""
    for file in package.files or ():
        is_text = file.suffix.lower() in ("", ".txt", ".md", ".rst")
        if is_text and file.name.lower().startswith(NAMES) and Path(str(package.locate_file(file))).is_file():
            yield file


def said(package: metadata.Distribution) -> str:
    """Return the licence in a package's metadata, in a line."""
    classifiers = [
        line.rpartition(" :: ")[2] for line in package.metadata.get_all("Classifier") or () if "License" in line
    ]
    text = package.metadata["License-Expression"] or ", ".join(classifiers) or package.metadata["License"] or "not said"
    return text.splitlines()[0]
