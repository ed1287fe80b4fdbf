"""`ml_forecasts` and `ml_forecast_points`: written by runs, and read back as frames.

How forecasts are made is said elsewhere, how their days get what they really were in
`ml_assets.storage.forecast_actuals`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.errors import UsageError
from ml_assets.forecasts.frames import FORECAST_POINTS, FORECASTS, MOST_HORIZON, SCORED_POINTS
from ml_assets.frames import Schema, conform
from ml_assets.storage.bulk import fetch, has_ids, insert_frame
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.forecast_actuals import POINTS, TABLE, write_actuals_of
from ml_assets.storage.keys import ENTITY_KEY, NATURAL_KEYS, row_ids
from ml_assets.storage.reads import Condition, read_table
from ml_assets.storage.tables import MLForecast
from ml_assets.storage.writes import partition_conditions, require_inside

_KEY = [*ENTITY_KEY, *NATURAL_KEYS[TABLE.name]]
_WRITTEN = [name for name in FORECAST_POINTS if name in POINTS.c]


# ---------------------------------------------------------------------------------------- in


def replace_forecasts(
    connection: sa.Connection,
    forecasts: pl.DataFrame,
    points: pl.DataFrame,
    entity_type: EntityType,
    dates: Iterable[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
    *,
    horizon_days: int,
) -> int:
    """Make `forecasts` (FORECASTS) with `points` (FORECAST_POINTS) those of these dates, level and accounts.

    Only of this horizon, and only of the entities where some are given: other horizons of a date stay. Points
    of days that have come already get their `actual_value` at once, and `created_at` is `as_of`, so a second
    run leaves identical rows. Returns the number of forecasts. Raises UsageError for a forecast outside of
    what is replaced, and for a point without a forecast.
    """
    rows = conform(forecasts, FORECASTS, "forecasts")
    days = sorted(set(dates))
    require_inside(rows, TABLE, entity_type, days, config_ids, entity_ids)
    other = rows.filter(pl.col("horizon_days") != horizon_days)
    if other.height:
        raise UsageError(
            f"{other.height} of {rows.height} forecasts are of another horizon than the {horizon_days} days "
            f"that are replaced; the first is of {other['horizon_days'][0]} days"
        )
    keyed = rows.with_columns(row_ids(rows, TABLE.name), pl.col("as_of").alias("created_at")).sort("id")
    written = _with_forecast_id(conform(points, FORECAST_POINTS, "points of forecasts"), keyed)
    if not days or not config_ids:
        return 0
    begin_writing(connection, TABLE.name)
    inside = [
        *partition_conditions(connection, TABLE, entity_type, days, config_ids, entity_ids),
        TABLE.c.horizon_days == horizon_days,
    ]
    connection.execute(
        sa.delete(POINTS).where(POINTS.c.forecast_id.in_(sa.select(TABLE.c.id).where(*inside)))
    )
    connection.execute(sa.delete(TABLE).where(*inside))
    insert_frame(connection, TABLE, keyed)
    insert_frame(connection, POINTS, written)
    write_actuals_of(connection, written["target_date"], entity_type, config_ids, inside)
    return keyed.height


def _with_forecast_id(points: pl.DataFrame, forecasts: pl.DataFrame) -> pl.DataFrame:
    """The columns of `ml_forecast_points` that runs write, sorted by its key: an index grows at its end."""
    place = forecasts.select(*_KEY, pl.col("id").alias("forecast_id")).with_row_index("place")
    found = points.join(place, on=_KEY, how="left", maintain_order="none")
    lost = found.filter(pl.col("forecast_id").is_null())
    if lost.height:
        raise UsageError(
            f"{lost.height} of {points.height} points belong to none of the forecasts that are written; the "
            f"first is of {lost.select(_KEY).row(0)}"
        )
    return found.sort("place", "target_date").select("forecast_id", *_WRITTEN)


# --------------------------------------------------------------------------------------- out


def read_forecasts(
    connection: sa.Connection,
    entity_types: Iterable[EntityType],
    config_ids: Sequence[int],
    *,
    forecast_start: dt.date,
    forecast_end: dt.date,
    metrics: Sequence[str] | None = None,
    entity_ids: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Forecasts made on the dates [forecast_start, forecast_end], in FORECASTS, all horizons.

    `metrics` and `entity_ids` keep these only. The order of rows is not defined.
    """
    return read_table(
        connection,
        MLForecast,
        forecast_start,
        forecast_end,
        entity_types,
        config_ids,
        columns=tuple(FORECASTS),
        entity_ids=entity_ids,
        where=_of_metrics(metrics),
    )


def read_forecast_points(
    connection: sa.Connection,
    entity_types: Iterable[EntityType],
    config_ids: Sequence[int],
    *,
    forecast_start: dt.date,
    forecast_end: dt.date,
    metrics: Sequence[str] | None = None,
    entity_ids: Sequence[str] | None = None,
) -> pl.DataFrame:
    """The days of the forecasts of `read_forecasts`, in SCORED_POINTS. The order of rows is not defined."""
    where = [
        *_of_levels(entity_types, config_ids),
        *_of_metrics(metrics),
        TABLE.c.forecast_date.between(forecast_start, forecast_end),
    ]
    if entity_ids is not None:
        where.append(has_ids(connection, TABLE.c.entity_id, entity_ids))
    return _fetch_points(connection, where)


def read_scored_points(
    connection: sa.Connection,
    entity_type: EntityType,
    config_ids: Sequence[int],
    start: dt.date,
    end: dt.date,
) -> pl.DataFrame:
    """What was said of the days [start, end] of a level, where it is known what they were, in SCORED_POINTS.

    By every forecast of them, whatever its date and horizon; `target_date - forecast_date` is the days ahead.
    The order of rows is not defined.
    """
    return _fetch_points(
        connection,
        [
            *_of_levels([entity_type], config_ids),
            TABLE.c.forecast_date.between(start - dt.timedelta(days=MOST_HORIZON), end),
            POINTS.c.target_date.between(start, end),
            POINTS.c.actual_value.is_not(None),
        ],
    )


def read_current_forecasts(
    connection: sa.Connection,
    config_ids: Sequence[int],
    levels: Iterable[EntityType],
    *,
    before: dt.date | None = None,
    since: dt.date | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The forecast that counts of every entity and metric, and its days: FORECASTS, SCORED_POINTS.

    It is that of the newest forecast date, of several of that date the one with the largest horizon. Only
    dates before `before` and from `since` on count, where given; without `since` an entity that is gone keeps
    its last forecast. Both are sorted by key.
    """
    where = _of_levels(levels, config_ids)
    if before is not None:
        where.append(TABLE.c.forecast_date < before)
    if since is not None:
        where.append(TABLE.c.forecast_date >= since)
    place = sa.func.row_number().over(
        partition_by=[*(TABLE.c[name] for name in ENTITY_KEY), TABLE.c.target_metric],
        order_by=[TABLE.c.forecast_date.desc(), TABLE.c.horizon_days.desc()],
    )
    ranked = sa.select(TABLE.c.id, place.label("place")).where(*where).subquery("ranked")
    stored: Schema = {"id": pl.String(), **FORECASTS}
    current = fetch(
        connection,
        [TABLE.c[name] for name in stored],
        stored,
        where=[TABLE.c.id.in_(sa.select(ranked.c.id).where(ranked.c.place == 1))],
    )
    points = _fetch_points(connection, [has_ids(connection, TABLE.c.id, current["id"].to_list())])
    return current.drop("id").sort(_KEY), points.sort(*_KEY, "target_date")


def _fetch_points(connection: sa.Connection, where: Sequence[Condition]) -> pl.DataFrame:
    return fetch(
        connection,
        [POINTS.c[name] if name in POINTS.c else TABLE.c[name] for name in SCORED_POINTS],
        SCORED_POINTS,
        source=TABLE.join(POINTS, POINTS.c.forecast_id == TABLE.c.id),
        where=where,
    )


def _of_levels(entity_types: Iterable[EntityType], config_ids: Sequence[int]) -> list[Condition]:
    return [
        TABLE.c.config_id.in_(list(config_ids)),
        TABLE.c.entity_type.in_([EntityType(level).value for level in entity_types]),
    ]


def _of_metrics(metrics: Sequence[str] | None) -> list[Condition]:
    return [] if metrics is None else [TABLE.c.target_metric.in_(list(metrics))]


def read_points_of(connection: sa.Connection, forecast_ids: Sequence[str]) -> list[dict[str, Any]]:
    """The days of forecasts by id, the first day first: forecast_id, target_date, values and intervals."""
    if not forecast_ids:
        return []
    columns = [column for column in POINTS.c if not column.name.startswith("inside_")]
    query = (
        sa.select(*columns)
        .where(has_ids(connection, POINTS.c.forecast_id, forecast_ids))
        .order_by(POINTS.c.forecast_id, POINTS.c.target_date)
    )
    return [dict(row) for row in connection.execute(query).mappings()]
