"""`ml-assets serve`: the REST API, on this machine unless a token was made."""

import ipaddress
from typing import TYPE_CHECKING, Annotated

import typer

from ml_assets.cli.console import note
from ml_assets.cli.database import open_database
from ml_assets.errors import UsageError

if TYPE_CHECKING:
    import sqlalchemy as sa
    import uvicorn

PARENT_LOOK_SECONDS = 1.0


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the API.")] = 8000,
    with_parent: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Serve the REST API over the database of the settings. Ctrl-C ends it.

    Runs are launched through the Dagster webserver at ML_ASSETS_WEBSERVER_URL. Where that is empty, the first
    call that launches one starts a webserver for it, and a daemon if none is seen (`ml-assets dev` starts all
    of it together). `/docs` describes the calls, `/openapi.json` is for generators of clients.

    \b
    Examples:
      ml-assets serve
      TOKEN=$(ml-assets token create dashboard) && ml-assets serve --host 0.0.0.0 --port 8080
      curl -H "Authorization: Bearer $TOKEN" localhost:8080/api/v1/ml/recommendations
    """
    import gc

    import uvicorn

    from ml_assets.api.app import create_app
    from ml_assets.api.context import make_context
    from ml_assets.defs.instance import dagster_home, open_instance
    from ml_assets.defs.launching import Launcher
    from ml_assets.defs.own_dagster import OwnDagster
    from ml_assets.settings import settings

    is_local = is_this_machine(host)
    with open_database() as engine, open_instance() as instance:
        has_token = _has_token(engine)
        if not is_local and not has_token:
            raise UsageError(
                f"Without a token everybody who reaches {host} could read and change everything: make one "
                "first with `ml-assets token create NAME`, or listen on 127.0.0.1."
            )
        own = OwnDagster(instance, dagster_home())
        configured = settings().webserver_url or settings().dagster_url
        launcher = Launcher(instance, (lambda: configured) if configured else own.url)
        context = make_context(engine, launcher, is_open_allowed=is_local)
        shown = f"[{host}]" if ":" in host else host
        note(f"API on http://{shown}:{port}, described at http://{shown}:{port}/docs")
        if not has_token:
            note(
                "No token was ever made, so requests of this machine are let in without one; "
                "`ml-assets token create NAME` makes the first and closes that door."
            )
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(context), host, port, log_level="warning", access_log=False, server_header=False
            )
        )
        if with_parent:
            _end_with(with_parent, server)
        # What was imported lives as long as the process; to look through it for garbage stops all answers.
        gc.collect()
        gc.freeze()
        try:
            server.run()
        finally:
            context.close()
            own.close()
    if not server.started:
        raise typer.Exit(1)


def is_this_machine(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_token(engine: "sa.Engine") -> bool:
    from ml_assets.storage.tokens import any_token

    with engine.connect() as connection:
        return any_token(connection)


def _end_with(parent: int, server: "uvicorn.Server") -> None:
    """End the server when the process that started it is gone, however it went."""
    import os
    import threading
    import time

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_LOOK_SECONDS)
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
