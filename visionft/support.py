"""The support report: versions, devices, the log's newest lines. Without names unless the user agrees.

Names in free text cannot be recognised reliably. So every path outside of the program's own files, every file name with
the suffix of an image or a list, all text between “ ”, and all given names are removed; and the user sees the report
before sending it.
"""

import platform
import re
import site
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import psutil

import visionft
from visionft.amounts import size_text
from visionft.credentials import without_secrets
from visionft.devices import nvidia_gpus
from visionft.doctor import library_versions
from visionft.log import last_lines

LINES, MAX_LINE = 200, 2000
PATH, FILE, NAME = "<path>", "<file>", "<name>"

_PATH_START = re.compile(r"(?<![\w.~<>/\\:])(?:~?/(?=[^\s/])|[A-Za-z]:[\\/](?!/)|\\\\(?=\w))")
# Where a path in a sentence ends at the latest: a quote closes, a colon or a bracket follows, the line ends.
_PATH_END = re.compile(r"[\"“”<>|\n]|: |\)|, line \d|$", re.MULTILINE)
# The last sign that a stretch with blanks is still the path: a separator, or a file's ending.
_STILL_PATH = re.compile(r".*(?:[\\/][^\s\\/]*|\.\w{1,11}(?=[\s.,;]|$))", re.DOTALL)
_SENTENCE = re.compile(
    r"(?:[.,;](?=\s|$))|\s(?:is|are|was|were|has|have|holds|does|do|cannot|can|could|may|will|names|exists|now)\b"
)
_ENDINGS = (
    "jpe?g|jfif|png|webp|gif|bmp|tiff?|heic|heif|hif|avif|ppm|pgm|"  # images
    "csv|tsv|jsonl|json|xml|zip|txt|parquet|onnx|safetensors|pth?|db"
)
_FILE = re.compile(rf"[^\s\"'“”<>|:=(\[]*[^\s\"'“”<>|:=(\[/\\]\.(?:{_ENDINGS})\b", re.IGNORECASE)
_QUOTED = re.compile("“[^”\n]*”")
_OWN_FILES = frozenset(("visionft.log", "crash.log", "config.json", "metrics.jsonl", "result.json", "project.db"))


def report_text(trace: str = "", *, with_names: bool = False, names: Iterable[str] = (), toolkit: str = "") -> str:
    """Return the report.

    Args:
        trace: The traceback of the reported bug; empty for none.
        with_names: The user agreed to names of files, projects and classes in it.
        names: Known names, such as the open project's.
        toolkit: The window's toolkit with its version.
    """
    told = [trace.rstrip(), ""] if trace else []
    words = "\n".join([*told, "Log", *(f"  {line[:MAX_LINE]}" for line in last_lines(LINES))])
    words = without_secrets(words)  # of an older log, too
    return "\n".join([*_facts(toolkit), "", words if with_names else redacted(words, names=names)])


def _facts(toolkit: str) -> list[str]:
    memory = f"{size_text(psutil.virtual_memory().total)} memory"
    processor = f"{platform.processor() or platform.machine()}, {psutil.cpu_count() or 1} cores"
    versions = ", ".join(f"{name} {version or 'missing'}" for name, version in library_versions().items())
    program = f"VisionFT {visionft.__version__}, Python {platform.python_version()}"
    return [
        ", ".join([program, *([toolkit] if toolkit else []), platform.platform()]),
        f"Computer: {processor}, {memory}; GPU: {', '.join(nvidia_gpus()) or 'none of NVIDIA'}",
        f"Libraries: {versions}",
    ]


def redacted(text: str, *, names: Iterable[str] = ()) -> str:
    """Return text without paths, file names, quoted names and `names`; the program's own files stay named."""
    for folder, shown in _program_folders():
        text = text.replace(folder, shown)
    text = _QUOTED.sub(f"“{NAME}”", text)
    text = _without_paths(text)
    text = _FILE.sub(lambda found: found[0] if found[0] in _OWN_FILES else FILE, text)
    known = sorted({name for name in names if name.strip()}, key=len, reverse=True)
    if known:
        text = re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)", NAME, text)
    return text


def _program_folders() -> list[tuple[str, str]]:
    """Return (folder, replacement), the longest first: folders of program files without a user's name."""
    paths = sysconfig.get_paths()
    libraries = {paths["purelib"], paths["platlib"], *site.getsitepackages(), site.getusersitepackages()}
    package = Path(visionft.__file__).parent
    found = {str(Path(each)): "lib:" for each in libraries} | {paths["stdlib"]: "python:"}
    beside = [package.with_name(name) for name in ("gui", "models", "resources") if not (package / name).is_dir()]
    found |= {str(each): f"program:/{each.name}" for each in (package, *beside)}
    return sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True)


def _without_paths(text: str) -> str:
    parts = list[str]()
    at = 0
    while (start := _PATH_START.search(text, at)) is not None:
        end = _end_of_path(text, start.start())
        parts += [text[at : start.start()], PATH]
        at = end
    return "".join([*parts, text[at:]])


def _end_of_path(text: str, start: int) -> int:
    """Return the end of a path with possible blanks; in doubt, rather too late."""
    if start and text[start - 1] == "'":
        closing = text.find("'", start)
        return closing if closing >= 0 else len(text)
    limit = _PATH_END.search(text, start)
    stretch = text[start : limit.start() if limit else len(text)]
    surely = _STILL_PATH.match(stretch)
    least = surely.end() if surely else 0
    rest = _SENTENCE.search(stretch, least)
    return start + (rest.start() if rest else len(stretch))
