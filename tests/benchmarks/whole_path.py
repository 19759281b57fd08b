"""Run the whole path on real pictures through the command line and print one table.

    python tests/benchmarks/whole_path.py ../shared/data/trashnet ../shared/data/sign_digits

For each folder of class folders: new, import, split, then for each backbone and method train, evaluate on the test
split, export with its comparison, and predict ten test pictures with the exported file.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PICTURES_TO_PREDICT = 10


def visionft(*arguments: object) -> object:
    """Run one command and return its JSON."""
    command = [sys.executable, "-m", "visionft", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def one_run(project: Path, folder: Path, backbone: str, method: str, options: argparse.Namespace) -> str:
    """Train, evaluate, export and predict; return a row of the table."""
    settings = [part for setting in options.set for part in ("--set", setting)]
    trained = visionft(
        "train", project, "--backbone", backbone, "--method", method, "--epochs", options.epochs, *settings
    )
    evaluated = visionft("evaluate", project, trained["run"], "--split", "test")
    began = time.monotonic()
    out = project.parent / f"{project.name}-{trained['run']}"
    exported = visionft("export", project, trained["run"], out)
    export_s = time.monotonic() - began
    pictures = sorted(folder.rglob("*.[jJ]*"))[:: max(1, 2000 // PICTURES_TO_PREDICT)][:PICTURES_TO_PREDICT]
    predicted = visionft("predict", out, *pictures)
    right = sum(each.get("class") == picture.parent.name for each, picture in zip(predicted, pictures, strict=True))
    parity = exported["parity"]
    share = trained["trainable_parameters"] / trained["total_parameters"]
    val = trained["best"]["top1"]
    return (
        f"| {folder.name} | {backbone} | {method} | {share:.2%} | {trained['seconds']:.0f} | {val:.3f} "
        f"| {evaluated['top1']:.3f} | {evaluated['balanced_accuracy']:.3f} | {exported['bytes'] / 1e6:.1f} "
        f"| {parity['images']} | {parity['max_abs_diff']:.1e} | {parity['top1_agreement']:.0%} | {export_s:.0f} "
        f"| {right}/{len(pictures)} |"
    )


def main() -> None:
    """Read the arguments and print the table row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["test_resnet", "test_vit"])
    parser.add_argument("--methods", nargs="+", default=["full", "linear", "lora"])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    columns = "set backbone method trainable train_s val test balanced MB compared max_diff agree export_s predicted"
    print(f"| {columns.replace(' ', ' | ')} |\n|{'---|' * len(columns.split())}")
    with tempfile.TemporaryDirectory() as temporary:
        for folder in options.folders:
            project = Path(temporary) / folder.name
            visionft("new", project)
            visionft("import", project, folder)
            visionft("split", project)
            for backbone in options.backbones:
                for method in options.methods:
                    if not (method == "prefix" and "resnet" in backbone):
                        print(one_run(project, folder, backbone, method, options), flush=True)


if __name__ == "__main__":
    main()
