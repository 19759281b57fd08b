"""The programs that are saved beside an exported model: what its users need to ask it without VisionFT. Torch-free.

Their sources are files of `resources`, and what is published are their bytes.
"""

from dataclasses import dataclass
from pathlib import Path

import resources

ROOT = Path(resources.__file__).parent
_FOLDER = "samples"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A program in one language.

    Attributes:
        name: Of the language, for records.
        title: The same, for people.
        file: Its main file, in an export's folder.
    """

    name: str
    title: str
    file: str

    @property
    def content(self) -> bytes:
        """The main file, as exports hold it."""
        return (ROOT / self.file).read_bytes()

    @property
    def code(self) -> str:
        """The main file's text."""
        return self.content.decode()


PYTHON = Sample(name="python", title="Python", file="predict.py")
NODE = Sample(name="node", title="JavaScript", file="samples/node/predict.mjs")
SAMPLES = (
    PYTHON,
    NODE,
    Sample(name="web", title="Browser", file="samples/web/page.mjs"),
    Sample(name="csharp", title="C#", file="samples/csharp/Program.cs"),
    Sample(name="cpp", title="C++", file="samples/cpp/predict.cpp"),
)


def sample_files() -> list[str]:
    """Return the files of all samples, by their places in an export's folder."""
    below = (path for path in (ROOT / _FOLDER).rglob("*") if path.is_file())
    return [PYTHON.file, *sorted(path.relative_to(ROOT).as_posix() for path in below)]


def write_samples(folder: Path) -> None:
    """Write all samples into an export's folder."""
    for name in sample_files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
