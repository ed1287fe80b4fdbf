"""`ml_forecast_points.actual_value`: what the days of forecasts were, by `ml_entity_metrics` as it stands.

All inside the database, whatever the number of points. How good a forecast was is judged elsewhere.
"""

import datetime as dt
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.forecasts.frames import METRICS, MOST_HORIZON, RATIOS, TARGET_METRICS, UNATTRIBUTED
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import Condition
from ml_assets.storage.tables import MLEntityMetrics, MLForecast, MLForecastPoint

TABLE = table_of(MLForecast)
POINTS = table_of(MLForecastPoint)
FIGURES = table_of(MLEntityMetrics)


def score_forecasts(
    connection: sa.Connection,
    entity_type: EntityType,
    config_ids: Sequence[int],
    start: dt.date,
    end: dt.date,
) -> int:
    """Write what the days [start, end] were into every forecast of them; how many points changed.

    An entity without a row on a day on which its account and level have some had 0 of an additive metric; a
    ratio is null without its denominator. Null is also what stands on a day of which the account and level
    have no row: nothing is known of it. Depends on `ml_entity_metrics` alone, so it may be called in any
    order, and twice changes nothing. Forecasts reach at most MOST_HORIZON days ahead.
    """
    if start > end or not config_ids:
        return 0
    begin_writing(connection, TABLE.name)
    made = TABLE.c.forecast_date.between(start - dt.timedelta(days=MOST_HORIZON), end - dt.timedelta(days=1))
    level = TABLE.c.entity_type == EntityType(entity_type).value
    of_days = [TABLE.c.config_id.in_(list(config_ids)), level, made]
    return _write_actuals(connection, start, end, of_days)


def write_actuals_of(
    connection: sa.Connection,
    target_dates: pl.Series,
    entity_type: EntityType,
    config_ids: Sequence[int],
    inside: Sequence[Condition],
) -> int:
    """The same for the forecasts that are `inside`, new ones whose points hold no actual value yet."""
    # Day by day: a range would make SQLite read the account's whole history.
    is_known = [
        FIGURES.c.date.in_(target_dates.unique().sort().to_list()),
        FIGURES.c.entity_type == EntityType(entity_type).value,
        FIGURES.c.config_id.in_(list(config_ids)),
    ]
    first, last = connection.execute(
        sa.select(sa.func.min(FIGURES.c.date), sa.func.max(FIGURES.c.date)).where(*is_known)
    ).one()
    return 0 if first is None else _write_actuals(connection, first, last, inside)


def _write_actuals(
    connection: sa.Connection, start: dt.date, end: dt.date, forecasts: Sequence[Condition]
) -> int:
    """Bring the points of `forecasts` on the days [start, end] to what is known; how many changed."""
    value = _actual_value()
    changed = (
        sa.select(POINTS.c.forecast_id, POINTS.c.target_date, value.label("value"))
        .select_from(TABLE.join(POINTS, POINTS.c.forecast_id == TABLE.c.id))
        .where(
            *forecasts,
            TABLE.c.target_metric.in_(TARGET_METRICS),
            POINTS.c.target_date.between(start, end),
            POINTS.c.actual_value.is_distinct_from(value),
        )
        .subquery("changed")
    )
    return connection.execute(
        sa.update(POINTS)
        .where(POINTS.c.forecast_id == changed.c.forecast_id, POINTS.c.target_date == changed.c.target_date)
        .values(actual_value=changed.c.value)
    ).rowcount


def _actual_value() -> sa.ColumnElement[float]:
    """What the metric of a forecast was on the day of a point.

    Looked up point by point in the natural key of the figures. A join leaves the choice to the planner, and
    right after figures were loaded for the first time PostgreSQL's compares each point with all of its day.
    """
    own, others = FIGURES.alias("own_figures"), FIGURES.alias("figures_of_day")
    is_own = (
        own.c.config_id == TABLE.c.config_id,
        own.c.entity_type == TABLE.c.entity_type,
        own.c.entity_id == TABLE.c.entity_id,
        # As a range, which only the index of the natural key serves well; that of the dates holds them all.
        own.c.date.between(POINTS.c.target_date, POINTS.c.target_date),
    )
    is_known = sa.exists().where(
        others.c.date == POINTS.c.target_date,
        others.c.entity_type == TABLE.c.entity_type,
        others.c.config_id == TABLE.c.config_id,
    )

    def figure(metric: str) -> sa.ColumnElement[float]:
        return sa.cast(own.c[metric], sa.Float)

    values = {metric: figure(metric) for metric in METRICS} | {
        name: sa.case((figure(below) > 0, factor * figure(above) / figure(below)))
        for name, (above, below, factor) in RATIOS.items()
    }
    chosen = sa.case(*((TABLE.c.target_metric == name, value) for name, value in values.items()))
    of_row = sa.select(chosen).where(*is_own).correlate(TABLE, POINTS).scalar_subquery()
    was_none = sa.and_(
        TABLE.c.target_metric.in_(METRICS),
        # What stands for no entity is never known to have been anything.
        TABLE.c.entity_id.not_like(f"{UNATTRIBUTED}%"),
        ~sa.exists().where(*is_own),
        is_known,
    )
    return sa.func.coalesce(of_row, sa.case((was_none, 0.0)))
