"""When figures were read: the newest moment of accounts and days, and what was read since a moment."""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.frames import INSIGHTS
from ml_assets.storage.bulk import fetch
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import as_utc
from ml_assets.storage.tables import AdsInsight

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
