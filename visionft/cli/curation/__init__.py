"""The commands that look through the pictures; each prints what `visionft.curation` found."""

import typer

from visionft.cli.curation import (
    duplicates_command,
    embed_command,
    label_errors_command,
    leaks_command,
    map_command,
    quality_command,
    report_command,
)


def register(app: typer.Typer) -> None:
    """Add these modules' commands."""
    for module in (
        embed_command,
        duplicates_command,
        quality_command,
        label_errors_command,
        leaks_command,
        map_command,
        report_command,
    ):
        module.register(app)
