"""Forecasts, their points and the figures of days as runs would hand them over, from a few words."""

import datetime as dt
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.forecasts.frames import FORECAST_POINTS, FORECASTS
from ml_assets.frames import ENTITY_METRICS
from ml_assets.storage.forecasts import replace_forecasts
from ml_assets.storage.keys import NATURAL_KEYS
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLEntityMetrics, MLForecast, MLForecastPoint
from ml_assets.storage.writes import replace_partition
from ml_assets_tests.storage.frames_of import frame

D0 = dt.date(2026, 2, 1)
CAMPAIGN = EntityType.CAMPAIGN
KEY = ["config_id", "entity_type", "entity_id", *NATURAL_KEYS["ml_forecasts"]]


def day(number: int) -> dt.date:
    """The date `number`; 0 is a forecast date, 1 the first day that is forecast then."""
    return D0 + dt.timedelta(days=number)


def forecast(
    made_on: int = 0, entity_id: str = "7", metric: str = "leads", horizon: int = 2, **values: Any
) -> dict[str, Any]:
    """A forecast made on the date `made_on`."""
    return {
        "config_id": 1,
        "entity_type": "campaign",
        "entity_id": entity_id,
        "target_metric": metric,
        "horizon_days": horizon,
        "forecast_date": day(made_on),
        "method": "smoothing",
        "as_of": dt.datetime.combine(day(made_on + 1), dt.time(5), dt.UTC),
        "insufficient_data": False,
        "backtest": '{"origins": 4, "smoothing": {"error": 0.81, "weight": 1.0}}',
        "total_value": 3.0 * horizon,
        **values,
    }


def frames(rows: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The forecasts, and a point for each of their days, which holds the number of the day."""
    forecasts = frame(rows, FORECASTS)
    points = [
        {
            **{name: row[name] for name in KEY},
            "target_date": row["forecast_date"] + dt.timedelta(days=ahead),
            "predicted_value": float(ahead),
            "lower_80": 0.0,
            "upper_80": 2.0 * ahead,
            "inside_lower_80": 0.5,
        }
        for row in rows
        for ahead in range(1, row["horizon_days"] + 1)
        if not row["insufficient_data"]
    ]
    return forecasts, frame(points, FORECAST_POINTS)


def write(
    connection: sa.Connection, dates: list[int], *rows: dict[str, Any], horizon: int = 2, **options: Any
) -> int:
    """Make `rows` the forecasts of the dates with these numbers."""
    given: dict[str, Any] = {"entity_type": CAMPAIGN, "config_ids": [1], **options}
    days = [day(number) for number in dates]
    return replace_forecasts(connection, *frames(list(rows)), dates=days, horizon_days=horizon, **given)


def stored(connection: sa.Connection) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables as they stand, sorted by key."""
    forecasts, points = read_table(connection, MLForecast), read_table(connection, MLForecastPoint)
    return forecasts.sort("id"), points.sort("forecast_id", "target_date")


def happened(connection: sa.Connection, number: int, *rows: dict[str, Any], config_id: int = 1) -> None:
    """Make `rows` (entity_id and figures) what the campaigns of an account did on a day."""
    key = {"config_id": config_id, "entity_type": "campaign", "date": day(number)}
    made = frame([{**key, **row} for row in rows], ENTITY_METRICS)
    replace_partition(connection, MLEntityMetrics, made, CAMPAIGN, [day(number)], [config_id])
