"""Synthetic accounts that are read hour by hour, made once."""

import datetime as dt
from functools import cache

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.frames import ACCOUNTS, UTC, fill_missing
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.sources.synthetic.intraday import hour_ends

LONG_AFTER = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
A_MINUTE = dt.timedelta(minutes=1)


def config_of(timezone: str, end: dt.date) -> SyntheticConfig:
    """An ordinary tree over the weeks that a share is learnt from."""
    return SyntheticConfig(end=end, days=66, timezone=timezone, intraday=True)


@cache
def campaign_versions(timezone: str, end: dt.date, config_id: int = 1) -> pl.DataFrame:
    """Every version of the campaigns' days, hourly ones among them (INSIGHTS)."""
    source = SyntheticSource(config_of(timezone, end))
    rows = source.insights([EntityType.CAMPAIGN], end - dt.timedelta(days=64), end, LONG_AFTER).insights
    return rows.with_columns(config_id=pl.lit(config_id, dtype=pl.Int64))


def accounts_in(*timezones: str | None) -> pl.DataFrame:
    """Accounts 1, 2, ... in these time zones (ACCOUNTS)."""
    return fill_missing(
        pl.DataFrame(
            {"config_id": range(1, len(timezones) + 1), "timezone": timezones},
            schema={"config_id": pl.Int64, "timezone": pl.String},
        ),
        ACCOUNTS,
    )


def readings_of(timezone: str, date: dt.date) -> tuple[list[dt.datetime], np.ndarray]:
    """The moments at which a day is read, and the true share of it that is delivered by then."""
    readings, share = hour_ends(config_of(timezone, date), date)
    return [moment.replace(tzinfo=dt.UTC) for moment in readings.tolist()], share


def true_share(timezone: str, date: dt.date, moment: dt.datetime) -> float:
    """Expected share of `date` that is delivered by one of its readings."""
    readings, share = readings_of(timezone, date)
    return float(share[readings.index(moment)])


def at(moment: dt.datetime) -> pl.Expr:
    return pl.lit(moment, dtype=UTC)
