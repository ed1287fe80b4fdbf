"""`ml-assets dev`: the Dagster UI, its daemon and the REST API, on the data of the command line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from ml_assets.cli.console import note
from ml_assets.cli.database import open_database

if TYPE_CHECKING:
    import sqlalchemy as sa


def dev(
    host: Annotated[
        str, typer.Option(help="Address to listen on; by default this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI.")] = 3000,
    api_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the REST API, on this machine only.")
    ] = 8000,
    api: Annotated[bool, typer.Option("--api/--no-api", help="Whether the REST API is started too.")] = True,
) -> None:
    """Start the Dagster UI, its daemon and the REST API, on the data of the other commands. Ctrl-C ends it.

    Schedules and sensors are off until they are turned on in the UI, unless ML_ASSETS_SCHEDULES_ON is true.

    \b
    Example:
      ml-assets dev --port 3001 --api-port 8001
    """
    from ml_assets.defs.instance import dagster_home
    from ml_assets.settings import child_environment, settings

    with open_database() as engine, engine.connect() as connection:
        for hint in hints(connection):
            note(hint)
    home = dagster_home()
    note(f"Dagster UI on http://{host}:{port}, DAGSTER_HOME {home}")
    if api:
        # It sees that Dagster is gone by its parent, which is this process, whatever becomes of it.
        subprocess.Popen(  # noqa: S603
            [
                sys.executable,
                "-m",
                "ml_assets.cli",
                "serve",
                f"--port={api_port}",
                f"--with-parent={os.getpid()}",
            ],
            env=child_environment(
                ML_ASSETS_WEBSERVER_URL=f"http://{host}:{port}",
                ML_ASSETS_DAGSTER_URL=settings().dagster_url or f"http://{host}:{port}",
                DAGSTER_HOME=str(home),
            ),
        )
    command = ["-m", "dagster", "dev", "-m", "ml_assets.definitions", "-h", host, "-p", str(port)]
    os.execve(  # noqa: S606 - the process becomes Dagster, so that signals reach it
        sys.executable, [sys.executable, *command], child_environment(DAGSTER_HOME=str(home))
    )


def hints(connection: "sa.Connection") -> Iterator[str]:
    """What to know before looking: whether there is anything to see, and whether anything runs by itself."""
    from ml_assets.cli.accounts import accounts_frame
    from ml_assets.settings import settings
    from ml_assets.storage.overview import read_reach
    from ml_assets.storage.tables import AdsInsight

    if accounts_frame(connection).is_empty():
        yield (
            "There is no account yet, so there is nothing to see: `make demo` (or `ml-assets demo`) makes "
            "a synthetic one, `ml-assets ingest export FILE` loads yours."
        )
    elif read_reach(connection, AdsInsight).is_empty():
        yield "No account has figures yet: `ml-assets ingest export FILE` loads some."
    if settings().schedules_on:
        yield "ML_ASSETS_SCHEDULES_ON is true: schedules and sensors run from the start."
    else:
        yield "Schedules and sensors are off until you turn them on under Automation."
