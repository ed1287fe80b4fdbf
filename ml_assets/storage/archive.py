"""Tables and rows set aside by a migration, `ml_archive_*`, and their way back.

Only migrations use this. An archive keeps its rows, keys and types, but no index: index names are wanted
by the table that takes its place.
"""

from collections.abc import Iterable

import sqlalchemy as sa

PREFIX = "ml_archive_"


def archive_name(table: str, *, legacy: bool = False) -> str:
    """Where a table goes when it is set aside: on the way down, or (`legacy`) on the way up."""
    return f"{PREFIX}{'legacy_' if legacy else ''}{table.removeprefix('ml_')}"


def has_table(connection: sa.Connection, name: str) -> bool:
    """Whether the table is there."""
    return sa.inspect(connection).has_table(name)


def reflect(connection: sa.Connection, name: str) -> sa.Table:
    """The table as it stands, without what it points to."""
    return sa.Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)


def drop_indexes(connection: sa.Connection, table: str) -> None:
    """Drop the plain indexes of a table, whatever they are called."""
    for index in sa.inspect(connection).get_indexes(table):
        if index["name"] and not index.get("duplicates_constraint"):
            connection.execute(sa.text(f'DROP INDEX "{index["name"]}"'))


def rename(connection: sa.Connection, name: str, to: str) -> None:
    """Rename a table; what points to it follows."""
    connection.execute(sa.text(f'ALTER TABLE "{name}" RENAME TO "{to}"'))


def set_aside(connection: sa.Connection, table: str, *, legacy: bool = False) -> None:
    """Turn a table into its archive."""
    drop_indexes(connection, table)
    rename(connection, table, archive_name(table, legacy=legacy))


def bring_back(connection: sa.Connection, table: sa.Table, *, legacy: bool = False) -> bool:
    """Turn an archive into its table again, or create the table; says which (True: it was there)."""
    archive = archive_name(table.name, legacy=legacy)
    if not has_table(connection, archive):
        table.create(connection, checkfirst=False)
        return False
    rename(connection, archive, table.name)
    create_indexes(connection, table.indexes)
    return True


def create_indexes(connection: sa.Connection, indexes: Iterable[sa.Index]) -> None:
    """Create indexes in the order of their names."""
    for index in sorted(indexes, key=lambda item: str(item.name)):
        index.create(connection, checkfirst=False)


def move_rows_out(connection: sa.Connection, table: str, archive: str, condition: str) -> None:
    """Move the rows that meet `condition` into `archive`, native enums as text."""
    columns = sa.inspect(connection).get_columns(table)
    selected = ", ".join(
        f'CAST("{column["name"]}" AS VARCHAR) AS "{column["name"]}"'
        if isinstance(column["type"], sa.Enum)
        else f'"{column["name"]}"'
        for column in columns
    )
    connection.execute(
        sa.text(f'CREATE TABLE "{archive}" AS SELECT {selected} FROM "{table}" WHERE {condition}')  # noqa: S608
    )
    connection.execute(sa.text(f'DELETE FROM "{table}" WHERE {condition}'))  # noqa: S608


def move_rows_back(connection: sa.Connection, table: str, archive: str) -> None:
    """Move all rows of `archive` back and drop it; nothing to do where there is none."""
    if not has_table(connection, archive):
        return
    held = {column["name"] for column in sa.inspect(connection).get_columns(archive)}
    columns = [column for column in sa.inspect(connection).get_columns(table) if column["name"] in held]
    names = ", ".join(f'"{column["name"]}"' for column in columns)
    selected = ", ".join(
        f'CAST("{column["name"]}" AS {column["type"].name})'
        if isinstance(column["type"], sa.Enum) and connection.dialect.name == "postgresql"
        else f'"{column["name"]}"'
        for column in columns
    )
    connection.execute(
        sa.text(f'INSERT INTO "{table}" ({names}) SELECT {selected} FROM "{archive}"')  # noqa: S608
    )
    connection.execute(sa.text(f'DROP TABLE "{archive}"'))


def next_id(connection: sa.Connection, table: sa.Table) -> int:
    """The first serial id that no row of the table has or had."""
    top = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() or 0
    given = connection.execute(
        sa.text(
            "SELECT last_value FROM pg_sequences WHERE format('%I.%I', schemaname, sequencename) = "
            "pg_get_serial_sequence(:name, 'id')"
            if connection.dialect.name == "postgresql"
            else "SELECT seq FROM sqlite_sequence WHERE name = :name"
        ),
        {"name": table.name},
    ).scalar_one_or_none()
    return max(top, given or 0) + 1


def continue_ids(connection: sa.Connection, table: str) -> None:
    """Let the next serial id of a table be above every id that stands in it."""
    if connection.dialect.name != "postgresql":
        return  # SQLite's AUTOINCREMENT looks at the rows itself
    following = next_id(connection, reflect(connection, table))
    connection.execute(
        sa.text("SELECT setval(pg_get_serial_sequence(:name, 'id'), :following, false)"),
        {"name": table, "following": following},
    )
