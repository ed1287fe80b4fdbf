"""Figures of days as they stood at a moment of their own: of many days and accounts in one query.

What was known of all days at one and the same moment is read in `reads`.
"""

from collections.abc import Iterable, Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import SchemaError
from ml_assets.frames import INSIGHTS, UTC, Schema, conform, empty
from ml_assets.storage.bulk import fetch
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import AdsInsight

MOMENTS: Schema = {"config_id": pl.Int64(), "date": pl.Date(), "until": UTC}

INSIGHT_KEY = ("config_id", "entity_type", "date", "window_days", "entity_id")


def read_insights_until(
    connection: sa.Connection,
    moments: pl.DataFrame,
    entity_types: Iterable[EntityType] = LEVELS,
    *,
    window_days: int = 1,
    columns: Sequence[str] = tuple(INSIGHTS),
) -> pl.DataFrame:
    """The newest version of each row of a day that was read until the day's moment: `columns` of INSIGHTS.

    `moments` has config_id, date and until (UTC). Raises SchemaError where an account's day stands in it
    twice. The order of rows is not defined.
    """
    asked = conform(moments, MOMENTS, "moments")
    if asked.select("config_id", "date").is_duplicated().any():
        raise SchemaError("moments name a day of an account twice; give one moment for each day")
    schema = {name: INSIGHTS[name] for name in columns}
    if asked.is_empty():
        return empty(schema)
    table = table_of(AdsInsight)
    levels = [EntityType(level).value for level in entity_types]
    given = asked_days(connection, asked)
    wanted = [table.c.entity_type.in_(levels), table.c.window_days == window_days]
    selected = [table.c[name] for name in columns]
    key = [table.c[name] for name in INSIGHT_KEY]
    if connection.dialect.name == "postgresql":
        first, last = asked.select(first=pl.col("date").min(), last=pl.col("date").max()).row(0)
        # The join says so already, but the planner cannot look into a parameter.
        where = [
            table.c.config_id.in_(asked["config_id"].unique().sort().to_list()),
            table.c.date.between(first, last),
        ]
        return fetch(
            connection,
            selected,
            schema,
            source=rows_of_days(connection, table, given, [*wanted, table.c.known_at <= given.c.until]),
            where=where,
            distinct_on=key,
            order_by=[*key, table.c.known_at.desc()],
        )
    moment = moment_text(table.c.known_at)
    # The other columns of a group with max() are those of the row that holds it (documented in SQLite).
    newest = sa.func.max(moment.op("||")(sa.cast(table.c.known_at, sa.Text)))
    found = fetch(
        connection,
        [*selected, newest],
        {**schema, "_newest": pl.String()},
        source=rows_of_days(connection, table, given, [*wanted, moment <= given.c.until]),
        group_by=key,
    )
    return found.filter(pl.col("_newest").is_not_null()).drop("_newest")


def asked_days(connection: sa.Connection, asked: pl.DataFrame) -> sa.FromClause:
    """`asked` (config_id, date and moments) as rows of a query; moments as `moment_text` writes them.

    One parameter, however many rows.
    """
    moments = [name for name, dtype in asked.schema.items() if dtype == UTC]
    shape = "%Y-%m-%d %H:%M:%S%.3f" if connection.dialect.name == "sqlite" else "%Y-%m-%d %H:%M:%S%.6f+00"
    rows = asked.with_columns(
        pl.col("date").dt.to_string(),
        pl.col("date").dt.offset_by("1d").dt.to_string().alias("next_date"),
        *(pl.col(name).dt.strftime(shape) for name in moments),
    )
    texts = sa.literal(rows.write_json(), sa.Text)
    if connection.dialect.name == "postgresql":
        kinds = {"config_id": sa.BigInteger(), "date": sa.Date(), "next_date": sa.Date()}
        columns = [
            sa.column(
                name, kinds.get(name, sa.DateTime(timezone=True) if name in moments else sa.BigInteger())
            )
            for name in rows.columns
        ]
        given = sa.func.json_to_recordset(sa.cast(texts, sa.JSON)).table_valued(*columns)
        return given.render_derived(name="given", with_types=True)
    item = sa.func.json_each(texts).table_valued("value")
    return sa.select(
        *(sa.func.json_extract(item.c.value, f"$.{name}").label(name) for name in rows.columns)
    ).subquery("given")


def rows_of_days(
    connection: sa.Connection,
    table: sa.Table,
    given: sa.FromClause,
    wanted: Sequence[sa.ColumnElement[bool]],
) -> sa.FromClause:
    """The rows of `table` on the accounts' days of `given` (`asked_days`) that meet `wanted`.

    On SQLite a day without any has a row of nulls: only an outer join keeps the planner from reading the
    whole table and looking up each of its rows among the days.
    """
    same_account = table.c.config_id == given.c.config_id
    if connection.dialect.name == "postgresql":
        return given.join(table, sa.and_(same_account, table.c.date == given.c.date, *wanted))
    # Below the next day: a loader may have written midnight into the day.
    day = sa.type_coerce(table.c.date, sa.Text)
    of_day = sa.and_(same_account, day >= given.c.date, day < given.c.next_date, *wanted)
    return given.outerjoin(table, of_day)


def moment_text(column: sa.Column[object]) -> sa.ColumnElement[str]:
    """A time in SQLite as a text that can be compared, to the millisecond, whatever form a loader wrote."""
    return sa.cast(sa.func.strftime("%Y-%m-%d %H:%M:%f", sa.cast(column, sa.Text)), sa.Text)
