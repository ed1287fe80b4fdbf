"""One engine set-up for both databases: URL forms, pragmas and transactions. No SQL of the project."""

import re
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from ml_assets.errors import UsageError
from ml_assets.settings import settings

BUSY_TIMEOUT_MS = 30_000
"""How long a SQLite writer queues behind another before it gives up."""

_READS = re.compile(r"\s*(SELECT|PRAGMA|EXPLAIN|VALUES|BEGIN|COMMIT|ROLLBACK)\b", re.IGNORECASE)
_COMMON_TABLE = re.compile(r"\s*WITH\b", re.IGNORECASE)
_CHANGES = re.compile(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
_WRITING = "ml_assets_writing"


def normalise_url(url: str) -> sa.URL:
    """The SQLAlchemy URL with the driver we use: psycopg 3 for PostgreSQL, sqlite3 for SQLite.

    Accepts `postgres://`, `postgresql://` and `postgresql+psycopg2://`. Raises UsageError for others.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise UsageError(
            "ML_ASSETS_DATABASE_URL is not a database URL; write it like "
            "postgresql://user:password@host/database or sqlite:////path/to/file.db"
        ) from error
    backend = parsed.drivername.split("+")[0]
    if backend in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    raise UsageError(f"{backend} is not supported; use a SQLite or a PostgreSQL database")


def create_engine(url: str | None = None, *, connections: int | None = None) -> sa.Engine:
    """An engine on `url`, by default the database of the settings.

    `connections` is for servers with many small queries (PostgreSQL): so many are kept, and none is asked
    whether it still lives before each use. Who reads through them tries once more where one had died.

    SQLite: the folder is made, the file runs in WAL mode with foreign keys on, and transactions that
    write take the write lock at their first change, so that two runs queue instead of failing with
    "database is locked". As with PostgreSQL's default, what such a transaction read before its first
    change may have moved on by then; `begin_writing` takes the lock before the reads.
    """
    parsed = normalise_url(url or settings().url)
    if parsed.get_backend_name() == "postgresql":
        if connections is not None:
            return sa.create_engine(parsed, pool_size=connections, max_overflow=0)
        return sa.create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:" and not parsed.query.get("uri"):
        Path(parsed.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "before_cursor_execute", _lock_before_change)
    return engine


def begin_writing(connection: sa.Connection, topic: str) -> None:
    """Take the right to write `topic` (a table) until the transaction ends, before anything is read.

    On SQLite this is the database's write lock, on PostgreSQL an advisory lock on the topic's name:
    reading the newest versions and adding to them is then one step for all who ask the same way.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:topic))"), {"topic": topic})
        return
    if not connection.in_transaction():
        connection.begin()
    take_write_lock(connection)


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # SQLAlchemy, not the driver, says where transactions begin
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "cache_size=-65536",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.info[_WRITING] = False
    connection.exec_driver_sql("BEGIN")


def _lock_before_change(
    connection: sa.Connection,
    _cursor: object,
    statement: str,
    *_: object,
) -> None:
    reads = _READS.match(statement) or (_COMMON_TABLE.match(statement) and not _CHANGES.search(statement))
    if not reads:
        take_write_lock(connection)


def take_write_lock(connection: sa.Connection) -> None:
    """Turn a transaction that has only read into a writing one.

    Upgrading a read snapshot in place would fail at once when another writer has committed since,
    without waiting; ending the snapshot and beginning again waits for the lock instead.
    """
    driver = connection.connection.driver_connection
    if connection.info.get(_WRITING) or not isinstance(driver, sqlite3.Connection):
        return
    if driver.in_transaction:
        driver.execute("COMMIT")
        driver.execute("BEGIN IMMEDIATE")
        connection.info[_WRITING] = True
