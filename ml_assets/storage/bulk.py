"""Whole frames in and out of a table, as fast as the database's own driver allows.

PostgreSQL speaks COPY both ways, SQLite the plain sqlite3 cursor; both work inside the transaction of
the SQLAlchemy connection they are given. What is read or written is decided elsewhere.
"""

import io
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from ml_assets.errors import SchemaError
from ml_assets.frames import UTC, Schema
from ml_assets.storage.engine import take_write_lock

NULL = r"\N"
CHUNK_BYTES = 1 << 20
ROWS_AT_ONCE = 200_000
"""Rows that are turned into the driver's form at a time: it takes several times their memory."""
LIST_OF_TEXT = pl.List(pl.String())


def schema_of(table: sa.Table, columns: Sequence[str] | None = None) -> Schema:
    """The polars schema of a table's columns: JSON as text, times in UTC."""
    kinds: tuple[tuple[type[Any], pl.DataType], ...] = (
        (sa.Boolean, pl.Boolean()),
        (sa.Integer, pl.Int64()),
        (sa.Numeric, pl.Float64()),
        (sa.Float, pl.Float64()),
        (sa.DateTime, UTC),
        (sa.Date, pl.Date()),
    )
    names = columns if columns is not None else [column.name for column in table.c]
    unknown = [name for name in names if name not in table.c]
    if unknown:
        raise SchemaError(f"{table.name} has no column {', '.join(unknown)}")
    return {
        name: next((kind for sql, kind in kinds if isinstance(table.c[name].type, sql)), pl.String())
        for name in names
    }


def has_ids(
    connection: sa.Connection, column: sa.ColumnElement[Any], ids: Iterable[Any]
) -> sa.ColumnElement[bool]:
    """`column IN ids` as one parameter, for any number of ids (texts)."""
    texts = sa.literal(json.dumps(list(ids)), sa.Text)
    items = (
        sa.func.json_array_elements_text(sa.cast(texts, sa.JSON))
        if connection.dialect.name == "postgresql"
        else sa.func.json_each(texts)
    ).table_valued("value")
    return column.in_(sa.select(items.c.value))


# ------------------------------------------------------------------------------------------ out


def fetch(
    connection: sa.Connection,
    columns: Sequence[sa.ColumnElement[Any]],
    schema: Schema,
    **select: Any,  # noqa: ANN401
) -> pl.DataFrame:
    """Rows of ``SELECT columns`` in `schema`, which names and types the columns in their order.

    `select` holds `where` (conditions), `source` (FROM) and `order_by`, `distinct_on`.
    """
    cast = [
        projected(connection.dialect.name, column, dtype).label(name)
        for column, (name, dtype) in zip(columns, schema.items(), strict=True)
    ]
    statement = sa.select(*cast)
    if "source" in select:
        statement = statement.select_from(select["source"])
    statement = statement.where(*select.get("where", ()))
    if "group_by" in select:
        statement = statement.group_by(*select["group_by"])
    if "distinct_on" in select:
        statement = statement.ext(distinct_on(*select["distinct_on"]))
    if "order_by" in select:
        statement = statement.order_by(*select["order_by"])
    return fetch_statement(connection, statement, schema)


def fetch_statement(connection: sa.Connection, statement: sa.Select[Any], schema: Schema) -> pl.DataFrame:
    """Rows of a statement whose columns are already cast for transport."""
    if connection.dialect.name == "postgresql":
        raw = _copy_out(connection, statement, schema)
    else:
        raw = _rows_out(connection, statement, schema)
    return raw.select(_parsed(raw, name, dtype) for name, dtype in schema.items())


def projected(dialect: str, column: sa.ColumnElement[Any], dtype: pl.DataType) -> sa.ColumnElement[Any]:
    """`column` in a form that the transport carries without loss, whatever a user's loader put there."""
    if dialect == "postgresql":
        if dtype == UTC:
            return sa.func.timezone("UTC", column)
        is_plain = dtype.is_numeric() or dtype in {pl.Boolean(), pl.Date()}
        return column if is_plain else sa.cast(column, sa.Text)
    if dtype == pl.Boolean():
        text = sa.func.lower(sa.cast(column, sa.Text))
        return sa.case((column.is_(sa.null()), sa.null()), (text.in_(["1", "true", "t", "yes"]), 1), else_=0)
    kind = sa.Integer if dtype.is_integer() else sa.REAL if dtype.is_float() else sa.Text
    return sa.cast(column, kind)


def _transport(dtype: pl.DataType) -> pl.DataType:
    """What a column is before `_parsed`."""
    return dtype if dtype.is_numeric() else pl.String()


def copy_query(connection: sa.Connection, statement: sa.Select[Any]) -> tuple[str, Mapping[str, Any]]:
    """The COPY of a statement's rows as CSV, and its parameters."""
    compiled = statement.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    return f"COPY ({compiled}) TO STDOUT (FORMAT csv, HEADER false, NULL '{NULL}')", compiled.params


def _copy_out(connection: sa.Connection, statement: sa.Select[Any], schema: Schema) -> pl.DataFrame:
    query, parameters = copy_query(connection, statement)
    buffer = io.BytesIO()
    with _psycopg(connection).cursor() as cursor, cursor.copy(query, parameters) as copy:  # type: ignore[arg-type]
        for block in copy:
            buffer.write(block)
    if not buffer.tell():
        return pl.DataFrame(schema={name: _transport(dtype) for name, dtype in schema.items()})
    buffer.seek(0)
    return pl.read_csv(
        buffer,
        has_header=False,
        schema={name: _transport(dtype) for name, dtype in schema.items()},
        null_values=[NULL],
        empty_string_is_null=False,
    )


def _rows_out(connection: sa.Connection, statement: sa.Select[Any], schema: Schema) -> pl.DataFrame:
    transport = {
        name: pl.Int64() if dtype == pl.Boolean() else _transport(dtype) for name, dtype in schema.items()
    }
    result = connection.execute(statement)
    # The driver's own tuples: SQLAlchemy's row processing costs more than the query.
    rows = result.cursor.fetchall() if result.cursor is not None else []
    result.close()
    if not rows:
        return pl.DataFrame(schema=transport)
    return pl.DataFrame(rows, schema=transport, orient="row")


def _parsed(raw: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == UTC:
        return parse_times(raw[name]) if raw.height else column.cast(UTC)
    if dtype == pl.Date():
        return column.str.slice(0, 10).str.to_date("%Y-%m-%d")
    if dtype == pl.Boolean():
        return column.cast(pl.Boolean) if raw.schema[name].is_integer() else column == "t"
    if dtype == LIST_OF_TEXT:
        return column.str.json_decode(LIST_OF_TEXT)
    return column.cast(dtype)


def parse_times(texts: pl.Series) -> pl.Expr:
    """Times in any usual text form as UTC: blank or `T`, fractions or none, `Z`, an offset or none.

    A text without an offset is UTC. Raises SchemaError naming the first text that is no time.
    """
    plain = texts.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us")
    if plain.null_count() == texts.null_count():
        return pl.lit(plain.dt.replace_time_zone("UTC")).alias(texts.name)
    frame = texts.to_frame("text").select(
        pl.col("text").str.strip_chars().str.replace("[Tt]", " ").str.replace("[Zz]$", "+00:00")
    )
    text = pl.col("text")
    complete = (
        pl.when(text.str.len_chars() == len("2026-01-01"))
        .then(text + " 00:00:00+00:00")
        .when(text.str.contains(r" \d{2}:\d{2}:\d{2}(\.\d+)?$"))
        .then(text + "+00:00")
        .otherwise(text.str.replace(r" ([+-])", "$1").str.replace(r"([+-]\d{2})$", "${1}:00"))
    )
    shape = "%Y-%m-%d %H:%M:%S%.f%#z"
    parsed = frame.select(
        complete.str.to_datetime(shape, strict=False, time_unit="us", time_zone="UTC").alias(texts.name)
    )[texts.name]
    wrong = texts.filter(parsed.is_null() & texts.is_not_null())
    if wrong.len():
        raise SchemaError(f"{texts.name} holds {wrong[0]!r}, which is not a time")
    return pl.lit(parsed).alias(texts.name)


# ------------------------------------------------------------------------------------------- in


def insert_frame(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> int:
    """Append the rows of `frame` to `table`; columns that are not in the frame get their defaults.

    NaN is written as null: an undefined value is null everywhere. Raises SchemaError for a column the
    table does not have. Returns the number of rows.
    """
    schema = schema_of(table, frame.columns)
    if not frame.height:
        return 0
    if not connection.in_transaction():
        connection.begin()
    prepared = frame.select(_prepared(frame.schema[name], name, dtype) for name, dtype in schema.items())
    write = _copy_in if connection.dialect.name == "postgresql" else _rows_in
    for part in prepared.iter_slices(ROWS_AT_ONCE):
        write(connection, table, part)
    return frame.height


def update_frame(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame, key: str = "id") -> int:
    """Write the columns of `frame` over the rows of `table` with the same `key`, in one statement.

    For plain columns (texts, numbers, days, times). Returns the number of rows in the frame.
    """
    schema = schema_of(table, frame.columns)
    if not frame.height:
        return 0
    texts = [
        pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.6f") if dtype == UTC else pl.col(name).dt.to_string()
        for name, dtype in frame.schema.items()
        if dtype.is_temporal()
    ]
    rows = sa.literal(frame.with_columns(texts).write_json(), sa.Text)
    if connection.dialect.name == "postgresql":
        columns = [
            sa.column(name, sa.DateTime() if dtype == UTC else table.c[name].type)
            for name, dtype in schema.items()
        ]
        given = sa.func.json_to_recordset(sa.cast(rows, sa.JSON)).table_valued(*columns)
        values = given.render_derived(name="given", with_types=True)
    else:
        item = sa.func.json_each(rows).table_valued("value")
        values = sa.select(
            *(sa.func.json_extract(item.c.value, f"$.{name}").label(name) for name in schema)
        ).subquery("given")
    written = {
        name: sa.func.timezone("UTC", values.c[name])
        if dtype == UTC and connection.dialect.name == "postgresql"
        else values.c[name]
        for name, dtype in schema.items()
        if name != key
    }
    connection.execute(sa.update(table).where(table.c[key] == values.c[key]).values(written))
    return frame.height


def _prepared(given: pl.DataType, name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(given, pl.List):
        items = pl.format('"{}"', pl.element().cast(pl.String).str.replace_all(r'(["\\])', r"\$1"))
        return pl.format("[{}]", column.list.eval(items).list.join(", ")).alias(name)
    if isinstance(given, pl.Struct):
        return column.struct.json_encode()
    if dtype == UTC and isinstance(given, pl.Datetime) and given.time_zone is None:
        return column.dt.replace_time_zone("UTC").cast(UTC)
    column = column.cast(dtype)
    return column.fill_nan(None) if dtype.is_float() else column


def _quoted(table: sa.Table, names: Iterable[str], dialect: sa.Dialect) -> tuple[str, str]:
    quote = dialect.identifier_preparer.quote
    return quote(table.name), ", ".join(quote(name) for name in names)


def _copy_in(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    name, columns = _quoted(table, frame.columns, connection.dialect)
    zoned = [column for column, dtype in frame.schema.items() if dtype == UTC]
    plain = frame.with_columns(pl.col(column).dt.replace_time_zone(None) for column in zoned)
    buffer = io.BytesIO()
    plain.write_csv(buffer, include_header=False, null_value=NULL, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00")
    data = buffer.getbuffer()
    query = f"COPY {name} ({columns}) FROM STDIN (FORMAT csv, NULL '{NULL}')"
    with _psycopg(connection).cursor() as cursor, cursor.copy(query) as copy:  # type: ignore[arg-type]
        for start in range(0, len(data), CHUNK_BYTES):
            copy.write(data[start : start + CHUNK_BYTES])


def _rows_in(connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
    name, columns = _quoted(table, frame.columns, connection.dialect)
    texts = [
        pl.col(column).dt.strftime("%Y-%m-%d %H:%M:%S%.6f") if dtype == UTC else pl.col(column).dt.to_string()
        for column, dtype in frame.schema.items()
        if dtype.is_temporal()
    ]
    marks = ", ".join("?" * frame.width)
    statement = f"INSERT INTO {name} ({columns}) VALUES ({marks})"  # noqa: S608 - names are ours
    take_write_lock(connection)  # the driver's own cursor passes SQLAlchemy's hook by
    _sqlite(connection).executemany(statement, frame.with_columns(texts).rows())


def _psycopg(connection: sa.Connection) -> "psycopg.Connection[Any]":
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("not a psycopg connection")
    if not connection.in_transaction():
        connection.begin()
    return driver


def _sqlite(connection: sa.Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError("not a sqlite3 connection")
    return driver
