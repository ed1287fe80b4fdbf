"""Bringing a database to a revision of `migrations/`, in this process and without alembic.ini."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from ml_assets.errors import DatabaseNotReadyError
from ml_assets.settings import PACKAGE_DIR

BASELINE = "0001"
"""The revision that is the schema from before multi-level."""

LEGACY_TABLES = frozenset({"ml_campaign_classifications", "ml_features", "ml_recommendations"})
"""Tables by which a database of the schema from before multi-level is known."""


def scripts_dir() -> Path:
    """`migrations/`: inside an installed package, beside it in a checkout."""
    candidates = (PACKAGE_DIR / "migrations", PACKAGE_DIR.parent / "migrations")
    for candidate in candidates:
        if (candidate / "env.py").is_file():
            return candidate
    raise DatabaseNotReadyError(
        f"The migrations are missing, looked for in {' and '.join(map(str, candidates))}; "
        "install the package again."
    )


def alembic_config() -> Config:
    """Alembic's settings, without any file."""
    config = Config()
    config.set_main_option("script_location", str(scripts_dir()).replace("%", "%%"))
    return config


def upgrade(engine: sa.Engine, revision: str = "head") -> None:
    """Bring the database up to `revision`.

    A database that holds the tables from before multi-level but was never under migrations is taken
    for what it is, the baseline, and upgraded from there.
    """
    _run(engine, "upgrade", revision)


def downgrade(engine: sa.Engine, revision: str) -> None:
    """Bring the database down to `revision` (`base` empties it of everything but archives)."""
    _run(engine, "downgrade", revision)


def schema_revision(engine: sa.Engine) -> str | None:
    """The revision the database is at; None for one that was never migrated.

    Raises DatabaseNotReadyError where the database cannot be reached.
    """
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        shown = engine.url.render_as_string(hide_password=True)
        raise DatabaseNotReadyError(
            f"The database {shown} cannot be reached ({error.orig}); check that it runs and that "
            "ML_ASSETS_DATABASE_URL is right."
        ) from error


def head_revision() -> str:
    """The newest revision of `migrations/`."""
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if head is None:
        raise DatabaseNotReadyError(f"There are no migrations in {scripts_dir()}.")
    return head


def require_head(engine: sa.Engine) -> None:
    """Raise DatabaseNotReadyError, naming the command to run, unless the database is at the head."""
    current, head = schema_revision(engine), head_revision()
    if current == head:
        return
    shown = engine.url.render_as_string(hide_password=True)
    state = "has no tables yet" if current is None else f"is at revision {current}, not {head}"
    raise DatabaseNotReadyError(f"The database {shown} {state}; run `ml-assets db upgrade`.")


def is_unstamped_legacy(connection: sa.Connection) -> bool:
    """Whether this is a database from before multi-level that alembic has never seen."""
    names = set(sa.inspect(connection).get_table_names())
    return names >= LEGACY_TABLES and "alembic_version" not in names


def _run(engine: sa.Engine, direction: str, revision: str) -> None:
    schema_revision(engine)  # says in plain words if the database cannot be reached
    config = alembic_config()
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Dropping a table with foreign keys on would delete what points to it.
            _foreign_keys(connection, on=False)
        try:
            with connection.begin():
                config.attributes["connection"] = connection
                if direction == "upgrade" and is_unstamped_legacy(connection):
                    command.stamp(config, BASELINE)
                getattr(command, direction)(config, revision)
        finally:
            if engine.dialect.name == "sqlite":
                _foreign_keys(connection, on=True)


def _foreign_keys(connection: sa.Connection, *, on: bool) -> None:
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")
