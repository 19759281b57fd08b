"""`visionft download`: a public set of pictures to practise on."""

from pathlib import Path
from typing import Annotated

import typer

from visionft.amounts import size_text
from visionft.cli import completion
from visionft.cli.output import Json, job, print_result
from visionft.cli.schemas import prints
from visionft.public_sets import PUBLIC_SETS, fetch_set, get_set

_NAMES = ", ".join(f"{each.name} ({size_text(each.bytes)}, {each.licence})" for each in PUBLIC_SETS)


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("download")(download)


@prints({"set": str, "list": Path | None})
def download(
    name: Annotated[str, typer.Argument(metavar="SET", help=f"{_NAMES}.", autocompletion=completion.public_sets)],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where its folder goes.")],
    json: Json = False,
) -> None:
    """Fetch a public set of pictures through torchvision; import the file that lists them."""
    wanted = get_set(name)
    with job() as (on_event, should_stop):
        target = fetch_set(wanted, folder.absolute(), on_event=on_event, should_stop=should_stop)
        text = f"{wanted.title} is there. Import it with: visionft import PROJECT {target}" if target else "Stopped."
        print_result({"set": wanted.name, "list": target}, text, as_json=json)
