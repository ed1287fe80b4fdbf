"""When figures were read: the newest moment of accounts and days, and what was read since a moment."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import INSIGHTS
from ml_assets.storage.bulk import fetch
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import as_utc
from ml_assets.storage.tables import AdsAccount, AdsInsight

READINGS = {"date": INSIGHTS["date"], "read_at": INSIGHTS["known_at"], "rows": pl.Int64()}
"""Schema of `readings_of_days`."""


def newest_reading_by_account(connection: sa.Connection, start: dt.date) -> dict[int, dt.datetime]:
    """config_id -> when days from `start` on were last read; accounts without such days are not there."""
    table = table_of(AdsInsight)
    query = (
        sa.select(table.c.config_id, sa.func.max(table.c.known_at))
        .where(table.c.date >= start)
        .group_by(table.c.config_id)
    )
    return {config_id: as_utc(moment) for config_id, moment in connection.execute(query)}


def newest_readings(connection: sa.Connection) -> dict[int, dt.datetime]:
    """config_id -> when the newest day of the account was last read; accounts without figures are not there.

    A few look-ups in indexes for each account, however many figures there are.
    """
    table, account = table_of(AdsInsight), table_of(AdsAccount)

    def newest(level: EntityType) -> sa.ColumnElement[dt.datetime]:
        def of_level(alias: sa.FromClause) -> sa.ColumnElement[bool]:
            return (alias.c.config_id == account.c.config_id) & (alias.c.entity_type == level.value)

        days, rows = table.alias(f"{level}_days"), table.alias(f"{level}_rows")
        day = sa.select(sa.func.max(days.c.date)).where(of_level(days)).correlate(account).scalar_subquery()
        moment = sa.select(sa.func.max(rows.c.known_at)).where(of_level(rows), rows.c.date == day)
        return moment.correlate(account).scalar_subquery()

    found = fetch(
        connection,
        [account.c.config_id, *map(newest, LEVELS)],
        {"config_id": pl.Int64(), **dict.fromkeys(LEVELS, INSIGHTS["known_at"])},
        source=account,
    ).select("config_id", moment=pl.max_horizontal(*LEVELS))
    return {config_id: moment for config_id, moment in found.rows() if moment is not None}


def newest_reading_of(
    connection: sa.Connection, date: dt.date, config_ids: Sequence[int]
) -> dt.datetime | None:
    """When figures of a day were last read; None where there are none."""
    table = table_of(AdsInsight)
    query = sa.select(sa.func.max(table.c.known_at)).where(
        table.c.date == date, table.c.config_id.in_(list(config_ids))
    )
    moment = connection.execute(query).scalar()
    return None if moment is None else as_utc(moment)


def readings_of_days(connection: sa.Connection, start: dt.date) -> pl.DataFrame:
    """Of each day from `start` on when it was last read, and how many versions it has: READINGS."""
    table = table_of(AdsInsight)
    return fetch(
        connection,
        [table.c.date, sa.func.max(table.c.known_at), sa.func.count()],
        READINGS,
        where=[table.c.date >= start],
        group_by=[table.c.date],
    ).sort("date")
