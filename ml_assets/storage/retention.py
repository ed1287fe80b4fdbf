"""How long versions of figures are kept: hourly ones for some weeks, then one for each day of their age."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS
from ml_assets.frames import UTC
from ml_assets.local_days import day_start, local_date, zones_of
from ml_assets.storage.development import FROZEN_AGE_DAYS
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.moments import INSIGHT_KEY, asked_days, moment_text, rows_of_days
from ml_assets.storage.reads import read_accounts
from ml_assets.storage.tables import AdsInsight

HOURLY_DAYS = 56
"""Days for which every version of a day's figures is kept."""

CATCH_UP_DAYS = 7
"""Days beyond these that are looked at each time, should some runs have been missed."""

WEEKLY_CATCH_UP_DAYS = 28
"""The same for what runs once a week: three weeks may be missed."""


def thin_insight_versions(
    connection: sa.Connection,
    now: dt.datetime,
    config_ids: Sequence[int] | None = None,
    *,
    catch_up_days: int | None = CATCH_UP_DAYS,
    dry_run: bool = False,
) -> int:
    """Remove versions that only told of the hours of days more than `HOURLY_DAYS` back; how many there were.

    Of each row the last version of every day of its age from 0 to `FROZEN_AGE_DAYS` stays, by the account's
    calendar, and whatever was read later: the current figures, and how they grew from day to day, are the
    same as before. `catch_up_days` None looks at all days there are, which takes a while in a large table.
    Run it at least every `catch_up_days` days, in a transaction of its own. `dry_run` counts and removes
    nothing.
    """
    table = table_of(AdsInsight)
    if not dry_run:
        begin_writing(connection, table.name)
    accounts = read_accounts(connection, config_ids, active_only=False)
    if accounts.is_empty():
        return 0
    days = _old_days(connection, accounts, now, catch_up_days)
    removed = 0
    for day in days.partition_by("date"):  # a statement for each day keeps what it holds in memory small
        outlived = _outlived(connection, table, asked_days(connection, day))
        if dry_run:
            found = sa.select(sa.func.count()).select_from(outlived.subquery("outlived"))
            removed += connection.execute(found).scalar_one()
        else:
            removed += connection.execute(
                sa.delete(table).where(_same_row(connection, table).in_(outlived))
            ).rowcount
    return removed


def _old_days(
    connection: sa.Connection, accounts: pl.DataFrame, now: dt.datetime, catch_up_days: int | None
) -> pl.DataFrame:
    """config_id, date, age, since, until: each day of the age of the days to be thinned."""
    table, zones, zone = table_of(AdsInsight), zones_of(accounts), pl.col("timezone")
    today = local_date(pl.lit(now.astimezone(dt.UTC), dtype=UTC), zone, zones)
    last = accounts.select("config_id", zone.fill_null("UTC")).with_columns(
        last=today.dt.offset_by(f"-{HOURLY_DAYS + 1}d")
    )
    first = pl.col("last").dt.offset_by(f"-{catch_up_days}d")
    if catch_up_days is None:
        oldest = connection.execute(
            sa.select(sa.func.min(table.c.date)).where(table.c.config_id.in_(last["config_id"].to_list()))
        ).scalar()
        first = pl.lit(oldest, dtype=pl.Date())
    age = pl.DataFrame({"age": range(FROZEN_AGE_DAYS + 1)}, schema={"age": pl.Int64()})
    on = pl.col("date") + pl.duration(days="age")
    return (
        last.with_columns(date=pl.date_ranges(first, "last"))
        .explode("date")
        .filter(pl.col("date").is_not_null())
        .join(age, how="cross")
        .select(
            "config_id",
            "date",
            "age",
            since=day_start(on, zone, zones),
            until=day_start(on.dt.offset_by("1d"), zone, zones),
        )
        .sort("date", "config_id", "age")
    )


def _outlived(connection: sa.Connection, table: sa.Table, given: sa.FromClause) -> sa.Select[tuple[object]]:
    """Names of the rows after which another version was read on the same day of their age."""
    is_postgres = connection.dialect.name == "postgresql"
    moment = table.c.known_at if is_postgres else moment_text(table.c.known_at)
    place = sa.func.row_number().over(
        partition_by=[*(table.c[name] for name in INSIGHT_KEY), given.c.age],
        order_by=[moment.desc(), sa.cast(table.c.known_at, sa.Text).desc()],
    )
    wanted = [
        table.c.entity_type.in_([level.value for level in LEVELS]),
        moment >= given.c.since,
        moment < given.c.until,
    ]
    ranked = (
        sa.select(_same_row(connection, table).label("row"), place.label("place"))
        .select_from(rows_of_days(connection, table, given, wanted))
        .subquery("ranked")
    )
    return sa.select(ranked.c.row).where(ranked.c.place > 1, ranked.c.row.is_not(sa.null()))


def _same_row(connection: sa.Connection, table: sa.Table) -> sa.ColumnElement[object]:
    """What the database itself calls a row, within a transaction."""
    name = "ctid" if connection.dialect.name == "postgresql" else "rowid"
    return sa.literal_column(f"{table.name}.{name}")
