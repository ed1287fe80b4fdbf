"""`ml-assets dev`: the Dagster UI and daemon on this machine, on the data of the command line."""

import os
import sys
from typing import Annotated

import typer

from ml_assets.cli.console import note
from ml_assets.cli.database import open_database


def dev(
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI.")] = 3000,
) -> None:
    """Start the Dagster UI with its daemon, on the same data as the other commands. Ctrl-C ends it.

    \b
    Example:
      ml-assets dev --port 3001
    """
    from ml_assets.defs.instance import dagster_home
    from ml_assets.settings import child_environment

    with open_database():
        home = dagster_home()
    note(f"Dagster UI on http://{host}:{port}, DAGSTER_HOME {home}")
    command = ["-m", "dagster", "dev", "-m", "ml_assets.definitions", "-h", host, "-p", str(port)]
    os.execve(  # noqa: S606 - the process becomes Dagster, so that signals reach it
        sys.executable, [sys.executable, *command], child_environment(DAGSTER_HOME=str(home))
    )
