"""`ml-assets db`: the schema of the database, and what is removed from it."""

from typing import Annotated

import typer

from ml_assets.cli.console import group, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account

app = group("The database: bring it to the newest schema, say where it stands, remove what is not needed.")


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
def thin(
    account: Account = None,
    all_days: Annotated[
        bool, typer.Option("--all-days", help="Look at all days there are, not at the newest old ones alone.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many there are, remove none.")] = False,
) -> None:
    """Remove hourly versions of figures of days more than 56 days back.

    Of every row of `ads_insights` the last version of each day of its age stays: the current figures, and how
    they grew from day to day, are the same as before. What the hours of such a day said is gone. The weekly
    job `retention` does the same. On SQLite the file gets no smaller; its pages are used again.

    \b
    Examples:
      ml-assets db thin --dry-run --all-days
      ml-assets db thin
    """
    import datetime as dt

    from ml_assets.cli.accounts import accounts_frame, choose
    from ml_assets.storage.retention import HOURLY_DAYS, WEEKLY_CATCH_UP_DAYS, thin_insight_versions

    with open_database() as engine, engine.begin() as connection:
        chosen = None if account is None else choose(accounts_frame(connection), account)
        count = thin_insight_versions(
            connection,
            dt.datetime.now(dt.UTC),
            None if chosen is None else chosen["config_id"].to_list(),
            catch_up_days=None if all_days else WEEKLY_CATCH_UP_DAYS,
            dry_run=dry_run,
        )
    looked = "all days" if all_days else f"{WEEKLY_CATCH_UP_DAYS} days"
    done = "would be removed" if dry_run else "removed"
    say(f"{count:,} hourly versions {done}, of {looked} more than {HOURLY_DAYS} days back.")


@app.command()
def current() -> None:
    """Print the database, its revision and the newest one."""
    from ml_assets.storage.schema import head_revision, schema_revision

    with open_database(at_head=False) as engine:
        revision, head = schema_revision(engine), head_revision()
    state = "newest" if revision == head else f"newest is {head}: run `ml-assets db upgrade`"
    where = engine.url.render_as_string(hide_password=True)
    say(f"{where}: revision {revision or 'none'} ({state})")
