"""`ml-assets db`: the schema of the database."""

from typing import Annotated

import typer

from ml_assets.cli.console import group, say
from ml_assets.cli.database import open_database

app = group("The database: bring it to the newest schema, or say where it stands.")


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Revision to reach; by default the newest.")] = "head",
) -> None:
    """Create or upgrade the tables. Safe to repeat; existing rows are kept.

    A database of the schema from before multi-level is recognised and upgraded, too.
    """
    from ml_assets.storage.schema import schema_revision
    from ml_assets.storage.schema import upgrade as upgrade_schema

    with open_database(at_head=False) as engine:
        before = schema_revision(engine)
        upgrade_schema(engine, revision)
        after = schema_revision(engine)
    where = engine.url.render_as_string(hide_password=True)
    if before == after:
        say(f"{where} is at revision {after} already.")
    else:
        say(f"{where} upgraded from {before or 'nothing'} to revision {after}.")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go back to, such as 0001 or `base`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Go back to an older schema. What it cannot hold is kept in ml_archive_* tables.

    \b
    Example:
      ml-assets db downgrade 0001
    """
    from ml_assets.storage.schema import downgrade as downgrade_schema
    from ml_assets.storage.schema import schema_revision

    with open_database(at_head=False) as engine:
        where = engine.url.render_as_string(hide_password=True)
        before = schema_revision(engine)
        if not yes:
            typer.confirm(f"Take {where} from revision {before} back to {revision}?", abort=True, err=True)
        downgrade_schema(engine, revision)
        say(f"{where} downgraded from {before} to {schema_revision(engine) or 'nothing'}.")


@app.command()
def current() -> None:
    """Print the database, its revision and the newest one."""
    from ml_assets.storage.schema import head_revision, schema_revision

    with open_database(at_head=False) as engine:
        revision, head = schema_revision(engine), head_revision()
    state = "newest" if revision == head else f"newest is {head}: run `ml-assets db upgrade`"
    where = engine.url.render_as_string(hide_password=True)
    say(f"{where}: revision {revision or 'none'} ({state})")
