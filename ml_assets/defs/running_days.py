"""The days that still run where an account is: what is known of them, and what share of the day that is."""

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from ml_assets.anomalies.running_day import (
    find_running_days,
    first_read_day,
    past_moments,
    with_day_shares,
)
from ml_assets.defs.inputs import conform_read
from ml_assets.defs.scope import Scope
from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITY_METRICS, INSIGHTS, empty, fill_missing
from ml_assets.storage.development import read_readings
from ml_assets.storage.moments import read_insights_until
from ml_assets.storage.reads import read_entities

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SHARE_COLUMNS = ("config_id", "entity_type", "entity_id", "date", "window_days", "known_at", "spend")


def running_inputs(
    connection: "Connection", scope: Scope, now: dt.datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The days of the run that are not over at `now` (RUNNING_DAYS), and their figures (ENTITY_METRICS).

    Figures are those of all levels read until `judged_until`; a day that is not judged has none, and its
    `reason` says why. Accounts whose day is over are in neither frame. What was read after `now` is not
    looked at. Of the days before only two versions of each row are read, at the topmost level an account
    delivers.
    """
    accounts = scope.accounts
    readings = read_readings(connection, first_read_day(now), scope.config_ids)
    running = find_running_days(readings, accounts, scope.keys.all_dates, now)
    if running["judged_until"].is_not_null().any():
        running = with_day_shares(
            running, _past_versions(connection, running, accounts, readings, now), accounts
        )
    return running, _figures(connection, running)


def _past_versions(
    connection: "Connection",
    running: pl.DataFrame,
    accounts: pl.DataFrame,
    readings: pl.DataFrame,
    now: dt.datetime,
) -> pl.DataFrame:
    """Of the days before: the newest version of each row at the same time of day, and the newest of all."""
    moments = past_moments(running, accounts)
    at_last = moments.with_columns(until=pl.lit(now.astimezone(dt.UTC)).cast(moments.schema["until"]))
    delivered = readings.group_by("config_id").agg(pl.col("entity_type").unique())
    found: list[pl.DataFrame] = []
    rest = delivered
    for level in LEVELS:
        has_level = pl.col("entity_type").list.contains(level.value)
        of_level, rest = rest.filter(has_level), rest.filter(~has_level)
        found += [
            _versions(connection, asked.join(of_level, on="config_id", how="semi"), level)
            for asked in (moments, at_last)
        ]
    return fill_missing(pl.concat(found).unique(), INSIGHTS)


def _versions(connection: "Connection", moments: pl.DataFrame, level: EntityType) -> pl.DataFrame:
    return read_insights_until(connection, moments, [level], columns=_SHARE_COLUMNS)


def _figures(connection: "Connection", running: pl.DataFrame) -> pl.DataFrame:
    judged = running.filter(pl.col("judged_until").is_not_null())
    if judged.is_empty():
        return empty(ENTITY_METRICS)
    moments = judged.select("config_id", "date", until="judged_until")
    entities = read_entities(connection, LEVELS, judged["config_id"].unique().to_list())
    return conform_read(connection, read_insights_until(connection, moments), entities).frame
