"""Alembic's entry: runs the revisions on the connection it is given, or on the configured database."""

import sqlalchemy as sa
from alembic import command, context
from alembic.runtime.migration import MigrationContext

from ml_assets.storage.engine import create_engine
from ml_assets.storage.schema import BASELINE, is_unstamped_legacy
from ml_assets.storage.tables import Base


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Archives are left to the revisions that made them; they are no part of the models."""
    return not (kind == "table" and (name or "").startswith("ml_archive_"))


def run(connection: sa.Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_name=include_name,
        compare_type=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def adopt(connection: sa.Connection) -> None:
    """Take a database from before migrations for the baseline, when it is about to be upgraded."""
    asked = getattr(context.config.cmd_opts, "cmd", [None])[0]
    if asked is command.upgrade and is_unstamped_legacy(connection):
        MigrationContext.configure(connection).stamp(context.script, BASELINE)


def run_on_configured_database() -> None:
    engine = create_engine(context.config.attributes.get("url"))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            driver = connection.connection.driver_connection
            if driver is not None:
                driver.execute("PRAGMA foreign_keys=OFF")
        with connection.begin():
            adopt(connection)
            run(connection)
    engine.dispose()


given = context.config.attributes.get("connection")
if given is None:
    run_on_configured_database()
else:
    run(given)
